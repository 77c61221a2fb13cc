// A client of our own API over its unix socket, for the command line. Blocking; one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/ip.h"
#include "base/key.h"
#include "control/service/client_service.h"

namespace vpn::control {

/// What POST /client answers: all that a client's configuration needs besides its own keys.
struct CreatedClient {
  PublicKey server_public_key;
  std::string server_ip;
  std::uint16_t server_port = 0;
  IpPrefix client_ip;                       ///< 192.168.2.2/32
  std::optional<IpPrefix> client_ip6 = {};  ///< fd00:2::c0a8:202/128; none where the VPN has no IPv6
  std::string allowed_ips;                  ///< "0.0.0.0/0,::/0"
};

/// A row of GET /clients.
struct ListedClient {
  std::string name;
  std::string public_key;
  std::string client_ip;
  std::string client_ip6 = {};  ///< empty: the VPN has no IPv6
  bool enabled = false;
  std::string obstacle;  ///< why it is not served although it is enabled; empty when it is
  std::string allowed_ips;
  WallTime created_at{};
  std::string endpoint;       ///< empty: none yet
  WallTime last_handshake{};  ///< 1970: never
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
};

struct ClientListAnswer {
  std::string json;  ///< as the gateway wrote it
  std::vector<ListedClient> clients;
};

/// Errors of every call: kUnavailable when nobody takes the request; kIo when it was taken and no answer came, within
/// kAnswerTime: it may have been done. kNotFound or kInvalidArgument, with the gateway's own message, when it refuses;
/// kCorrupt when it is not our gateway that answers.
class UnixClient {
 public:
  explicit UnixClient(std::string socket_path) : socket_path_(std::move(socket_path)) {}

  Result<CreatedClient> create(const NewClient& client);
  Result<ClientListAnswer> list();
  /// None or one row.
  Result<ClientListAnswer> find(const PublicKey& key);
  Result<ClientListAnswer> find_by_name(std::string_view name);
  Status remove(const PublicKey& key);
  Status set_enabled(const PublicKey& key, bool enabled);

 private:
  Result<std::string> call(std::string_view method, const std::string& target, std::string body = {});
  Result<ClientListAnswer> list_at(const std::string& target);

  std::string socket_path_;
};

}  // namespace vpn::control
