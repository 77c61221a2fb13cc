// What each route answers, one file per resource. A handler gets a request that may be answered; it suspends while the
// service works. On the control strand.
#pragma once

#include <unordered_set>

#include "control/api/asio.h"
#include "control/api/request_parser.h"
#include "control/api/response.h"
#include "control/api/server.h"

namespace vpn::control {

/// A request that waits for the service.
class WaitingCall {
 public:
  virtual ~WaitingCall() = default;
  /// Answers that its end is not known. What the service says later, nobody hears.
  virtual void give_up() = 0;
};

/// What handlers work with; one for the whole server.
struct ApiContext {
  ApiBackend backend;
  ServerInfo info;
  std::size_t bulk_answer_limit;
  std::size_t tcp_bulk_answers = 0;               ///< under way
  std::size_t unix_bulk_answers = 0;              ///< nobody on TCP keeps the administrator from his
  std::unordered_set<WaitingCall*> waiting = {};  ///< each enters and leaves by itself
  ApiCounters counters = {};
};

/// The request and the context outlive the call.
using Handler = Awaitable<Response> (*)(const Request& request, ApiContext& context);

Awaitable<Response> create_client(const Request& request, ApiContext& context);  // client.cc
Awaitable<Response> delete_client(const Request& request, ApiContext& context);
Awaitable<Response> enable_client(const Request& request, ApiContext& context);
Awaitable<Response> disable_client(const Request& request, ApiContext& context);
Awaitable<Response> list_clients(const Request& request, ApiContext& context);  // clients.cc
Awaitable<Response> get_keys(const Request& request, ApiContext& context);      // keys.cc
Awaitable<Response> get_info(const Request& request, ApiContext& context);      // info.cc
Awaitable<Response> get_info_conf(const Request& request, ApiContext& context);
Awaitable<Response> get_health(const Request& request, ApiContext& context);  // health.cc
Awaitable<Response> get_health_ready(const Request& request, ApiContext& context);
Awaitable<Response> get_health_live(const Request& request, ApiContext& context);
Awaitable<Response> get_metrics(const Request& request, ApiContext& context);     // metrics.cc
Awaitable<Response> get_version(const Request& request, ApiContext& context);     // version.cc
Awaitable<Response> get_api_export(const Request& request, ApiContext& context);  // api_export.cc

/// Of the clients' service, and of what carries their packets; health.cc.
Health health_of(const ApiBackend& backend);

/// `,"clientIP6":"fd00:2::c0a8:202/128"`, behind clientIP; nothing where the VPN has no IPv6.
void append_ipv6_member(SecretText& out, const Network& network, const Client& client);

/// A long answer: `next_piece` gives all of it, as Response::next_piece does. One that is a single piece is sent whole.
Response answer_in_pieces(std::string_view content_type, std::function<bool(SecretText&)> next_piece, BulkSlot slot);

/// A place among the big answers under way, null when ApiLimits::bulk_answers are; and the 503 for that case.
BulkSlot take_bulk_slot(const Request& request, ApiContext& context);
Response too_many_bulk_answers();

}  // namespace vpn::control
