// The HTTP API: its listeners (TCP and a unix socket), its limits and its end.
//
// Everything runs on the thread of one io_context, which is the control strand: no lock anywhere. main.cc owns it. The
// io_context outlives the server and the client service. About one file descriptor per connection is needed (see
// ApiLimits): raise RLIMIT_NOFILE before.
#pragma once

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/random.h"
#include "control/api/auth.h"
#include "control/model/network.h"
#include "control/service/client_service.h"
#include "tunnel/tunnel.h"

namespace vpn::control {

struct ApiLimits {
  std::size_t header_bytes = std::size_t{16} << 10;  ///< above: 431
  std::size_t body_bytes = std::size_t{64} << 10;    ///< above: 413
  std::size_t tcp_connections = 1024;                ///< above: a stranger's makes room, else 503 and closed
  std::size_t unix_connections = 64;                 ///< of their own, so that the administrator always gets in
  std::size_t refusals = 128;                        ///< connections that are being told 503; above: closed unheard
  /// /clients, /info and /info/conf under way at once, over TCP and over the unix socket each; above: 503.
  std::size_t bulk_answers = 4;
  std::size_t write_bytes = std::size_t{256} << 10;  ///< what a caller must take of an answer in write_time

  std::chrono::milliseconds request_time{10'000};  ///< from a request's first byte (or the connection) to its last
  std::chrono::milliseconds idle_time{65'000};     ///< between two requests of a connection
  std::chrono::milliseconds write_time{10'000};    ///< for the next write_bytes of an answer, or for its rest
  std::chrono::milliseconds linger_time{2'000};    ///< for the caller to read a last answer before the socket is closed
  /// How late a deadline may be noticed: one wake-up per interval while there are connections, none without.
  std::chrono::milliseconds sweep_interval{500};
  // When the server stops:
  std::chrono::milliseconds answer_time{800};  ///< for requests under way; then those that wait for the store get 503
  std::chrono::milliseconds stop_time{500};    ///< after that, for the callers to take their last answers
};

struct ApiOptions {
  IpAddress address = {};        ///< where TCP listens, e.g. 127.0.0.1 or ::
  std::uint16_t port = 3000;     ///< 0: any free one, see ApiServer::port()
  std::string socket_path = {};  ///< empty: no unix socket
  AuthMode auth = AuthMode::kToken;
  std::optional<BearerToken> token = {};  ///< needed when `address` is no loopback one and auth is kToken
  ApiLimits limits = {};
};

/// What the answers tell about this gateway.
struct ServerInfo {
  std::string version;  ///< "2.0.0"
  Network network;
};

/// What the API speaks for. Each outlives the server.
struct ApiBackend {
  ClientService& clients;
  const tunnel::Tunnel& tunnel;
  Random& random;
  const Clock& clock;
  Logger& logger;
  /// Whether packets pass the machine around the tunnel, and if not, why; for /health. May be empty.
  std::function<Status()> surroundings = {};
};

/// What happened so far; a remote can make these grow, never the log.
struct ApiCounters {
  std::uint64_t connections = 0;
  std::uint64_t connections_refused = 0;    ///< above a limit
  std::uint64_t connections_displaced = 0;  ///< showed no authorization, and closed for a newer one at a limit
  std::uint64_t connections_timed_out = 0;  ///< slow or idle
  std::uint64_t answers_ok = 0;             ///< 1xx to 3xx
  std::uint64_t answers_caller_fault = 0;   ///< 4xx
  std::uint64_t answers_server_fault = 0;   ///< 5xx
};

class ApiServer {
 public:
  /// Opens the listeners and serves as soon as the io_context runs. kUnavailable when an address is taken,
  /// kInvalidArgument (field API_ADDRESS, API_PORT, API_SOCKET or API_TOKEN) for options that cannot work.
  static Result<std::unique_ptr<ApiServer>> listen(boost::asio::io_context& io, ApiOptions options, ApiBackend backend,
                                                   ServerInfo info);
  /// Closes every connection at once.
  ~ApiServer();

  /// Graceful: accepts no more, answers what is under way, then calls `done`, at the latest after limits.answer_time
  /// and limits.stop_time.
  void stop(std::function<void()> done);

  /// The TCP port that is served.
  std::uint16_t port() const;
  const ApiCounters& counters() const;

 private:
  class Impl;
  explicit ApiServer(std::shared_ptr<Impl> impl);

  std::shared_ptr<Impl> impl_;  // shared with the connections' coroutines, which may outlive the server by a callback
};

}  // namespace vpn::control
