// /clients: the list, in order of address; or the one client of ?name= or ?publicKey=.
#include <algorithm>
#include <memory>
#include <unordered_map>

#include "control/api/request_body.h"
#include "control/api/resources.h"

namespace vpn::control {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{32} << 10;

void append_member(SecretText& out, std::string_view name, std::uint64_t number) {
  out.append(",\"").append(name).append("\":").append(std::to_string(number));
}

std::int64_t unix_seconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

// `peer` is null for a client that is not in the tunnel.
void append_client(SecretText& out, const Network& network, const Client& client, std::string_view obstacle,
                   const tunnel::PeerStatus* peer) {
  out += R"({"name":)";
  append_json_string(out, client.name);
  out.append(R"(,"publicKey":")").append(to_string(client.public_key));
  out.append(R"(","clientIP":")").append(to_string(client.address));
  out += R"(/32")";
  append_ipv6_member(out, network, client);
  out.append(R"(,"enabled":)").append(client.enabled ? "true" : "false");
  if (client.enabled && !obstacle.empty()) {
    out += R"(,"served":false,"reason":)";
    append_json_string(out, obstacle);
  }
  out += R"(,"allowedIPs":)";
  append_json_string(out, client.allowed_ips);
  append_member(out, "createdAt", static_cast<std::uint64_t>(unix_seconds(client.created_at)));
  const bool has_endpoint = peer != nullptr && peer->endpoint;
  const bool has_handshake = peer != nullptr && peer->last_handshake != WallTime{};
  out += R"(,"endpoint":)";
  out += has_endpoint ? '"' + to_string(peer->endpoint) + '"' : "null";
  out += R"(,"lastHandshake":)";
  out += has_handshake ? std::to_string(unix_seconds(peer->last_handshake)) : "null";
  append_member(out, "rxBytes", peer != nullptr ? peer->rx_bytes : 0);
  append_member(out, "txBytes", peer != nullptr ? peer->tx_bytes : 0);
  out += '}';
}

// The state of an answer that is sent piece by piece. Between two pieces clients come and go, so it keeps their keys,
// not their addresses in memory; one that is gone when its turn comes is left out.
class ClientListing {
 public:
  ClientListing(const ApiContext& context, std::vector<tunnel::PeerStatus> peers)
      : network_(context.info.network), clients_(context.backend.clients), peers_(std::move(peers)) {
    const std::vector<const Client*> all = clients_.list();
    keys_.reserve(all.size());
    for (const Client* client : all) keys_.push_back(client->public_key);
    peer_of_.reserve(peers_.size());
    for (const tunnel::PeerStatus& peer : peers_) peer_of_.emplace(peer.peer.public_key, &peer);
  }
  ClientListing(const ClientListing&) = delete;
  ClientListing& operator=(const ClientListing&) = delete;

  // Appends the next piece of the array; false after the last.
  bool append_next(SecretText& out) {
    const std::size_t start = out.size();
    for (; next_ < keys_.size() && out.size() - start < kPieceBytes; ++next_) {
      const Client* client = clients_.find(keys_[next_]);
      if (client == nullptr) continue;
      out += std::exchange(separator_, ',');
      const auto peer = peer_of_.find(keys_[next_]);
      append_client(out, network_, *client, clients_.obstacle(*client),
                    peer == peer_of_.end() ? nullptr : peer->second);
    }
    if (next_ < keys_.size()) return true;
    if (separator_ == '[') out += '[';
    out += ']';
    return false;
  }

 private:
  const Network& network_;
  const ClientService& clients_;
  std::vector<PublicKey> keys_;
  const std::vector<tunnel::PeerStatus> peers_;
  std::unordered_map<PublicKey, const tunnel::PeerStatus*> peer_of_;
  std::size_t next_ = 0;
  char separator_ = '[';
};

// The client that a query asks for, null when there is none; nothing when it asks for all.
Result<std::optional<const Client*>> asked_client(std::string_view query, const ClientService& clients) {
  const auto filter = RequestBody::parse(MediaType::kForm, query, {BodyField::kName, BodyField::kPublicKey});
  if (!filter) return fail(filter.error());
  const auto& name = filter->name();
  if (filter->has(BodyField::kPublicKey)) {
    const auto key = filter->public_key();
    if (!key) return fail(key.error());
    const Client* client = clients.find(*key);
    return client != nullptr && name.value_or(client->name) == client->name ? client : nullptr;
  }
  if (name) return clients.find_by_name(*name);
  return std::nullopt;
}

// A tunnel that fails does not hide who the clients are; /health says that it fails.
Response list_one(const Client* client, const ApiContext& context) {
  const ApiBackend& backend = context.backend;
  Response response;
  response.body = "[";
  if (client != nullptr) {
    const auto peer = backend.tunnel.peer(client->public_key);
    append_client(response.body, context.info.network, *client, backend.clients.obstacle(*client),
                  peer && *peer ? &**peer : nullptr);
  }
  response.body += ']';
  return response;
}

Response list_all(const Request& request, ApiContext& context) {
  BulkSlot slot = take_bulk_slot(request, context);
  if (!slot) return too_many_bulk_answers();
  auto status = context.backend.tunnel.status();
  auto listing =
      std::make_shared<ClientListing>(context, status ? std::move(status->peers) : std::vector<tunnel::PeerStatus>());
  return answer_in_pieces(kJsonType, [listing](SecretText& out) { return listing->append_next(out); }, std::move(slot));
}

}  // namespace

void append_ipv6_member(SecretText& out, const Network& network, const Client& client) {
  const auto address = network.ipv6_of(client.address);
  if (address) out.append(R"(,"clientIP6":")").append(to_string(*address)).append(R"(/128")");
}

Awaitable<Response> list_clients(const Request& request, ApiContext& context) {
  if (const Status known = context.backend.clients.ready(); !known) co_return error_response(known.error());
  const auto asked = asked_client(request.query(), context.backend.clients);
  if (!asked) co_return error_response(asked.error());
  if (*asked) co_return list_one(**asked, context);
  co_return list_all(request, context);
}

}  // namespace vpn::control
