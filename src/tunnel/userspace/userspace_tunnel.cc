#include "tunnel/userspace/userspace_tunnel.h"

#include <unordered_set>
#include <utility>

#include "engine/crypto/x25519.h"

namespace vpn::tunnel {
namespace {

using engine::protocol::InterfaceUpdate;
using engine::protocol::PeerSnapshot;
using engine::protocol::PeerUpdate;

// Everything that a Peer says, and nothing that it does not: no endpoint.
PeerUpdate to_update(const Peer& peer) {
  PeerUpdate update;
  update.public_key = peer.public_key;
  update.preshared_key = peer.preshared_key.value_or(PresharedKey());
  update.persistent_keepalive_s = peer.persistent_keepalive_s;
  update.replace_allowed_ips = true;
  update.allowed_ips.reserve(peer.allowed_ips.size());
  for (const IpPrefix& prefix : peer.allowed_ips) update.allowed_ips.push_back({prefix});
  return update;
}

PeerStatus to_status(PeerSnapshot&& snapshot) {
  PeerStatus status;
  status.peer.public_key = snapshot.public_key;
  if (!snapshot.preshared_key.is_zero()) status.peer.preshared_key = snapshot.preshared_key;
  status.peer.allowed_ips = std::move(snapshot.allowed_ips);
  status.peer.persistent_keepalive_s = snapshot.persistent_keepalive_s;
  status.endpoint = snapshot.endpoint;
  status.last_handshake = snapshot.last_handshake;
  status.rx_bytes = snapshot.rx_bytes;
  status.tx_bytes = snapshot.tx_bytes;
  return status;
}

/// Whether an update would make another interface of what the gateway tells its clients.
bool differs(const InterfaceUpdate& update, const InterfaceConfig& config) {
  const auto public_of = [](const PrivateKey& key) { return engine::crypto::derive_public_key(key); };
  const bool other_key = update.private_key && public_of(*update.private_key) != public_of(config.private_key);
  return other_key || (config.listen_port != 0 && update.listen_port && *update.listen_port != config.listen_port);
}

}  // namespace

Result<std::unique_ptr<UserspaceTunnel>> UserspaceTunnel::open(const engine::DeviceOptions& options, const Clock& clock,
                                                               Random& random, Logger& logger) {
  auto device = engine::Device::open(options, clock, random, logger);
  if (!device) return fail(std::move(device.error()));
  std::unique_ptr<UserspaceTunnel> tunnel(new UserspaceTunnel(*std::move(device)));
  if (Status status = tunnel->open_uapi(clock); !status) {
    logger.warn("no UAPI socket; going on without, and `wg show` cannot look at this tunnel",
                {{"interface", tunnel->interface_name()}, {"error", status.error().message}});
  }
  return tunnel;
}

Status UserspaceTunnel::open_uapi(const Clock& clock) {
  engine::UapiHandler handler{
      .configure = [this](const InterfaceUpdate& update) { return configure_for_others(update); },
      .snapshot = [device = device_.get()] { return device->snapshot(); }};
  auto uapi = engine::UapiServer::open(engine::kUapiDirectory, interface_name(), std::move(handler), clock);
  if (!uapi) return fail(std::move(uapi.error()));
  uapi_ = *std::move(uapi);
  return {};
}

Status UserspaceTunnel::configure_for_others(const InterfaceUpdate& update) {
  const std::lock_guard lock(others_mutex_);
  if (config_ && differs(update, *config_)) {
    return fail(ErrorCode::kPermissionDenied, "the interface's key and port are the gateway's settings");
  }
  if (Status status = device_->configure(update); !status) return status;
  if (foreign_listener_) foreign_listener_();
  return {};
}

Status UserspaceTunnel::configure(const InterfaceConfig& config) {
  InterfaceUpdate update;
  update.private_key = config.private_key;
  update.listen_port = config.listen_port;
  update.has_replicas = config.has_replicas;
  const std::lock_guard lock(others_mutex_);
  Status configured = device_->configure(update);
  if (configured) config_ = config;
  return configured;
}

Status UserspaceTunnel::apply(const Delta& delta) {
  InterfaceUpdate update;
  update.peers.reserve(delta.remove.size() + delta.set.size());
  for (const PublicKey& key : delta.remove) {
    PeerUpdate& peer = update.peers.emplace_back();
    peer.public_key = key;
    peer.remove = true;
  }
  for (const Peer& peer : delta.set) update.peers.push_back(to_update(peer));
  return device_->configure(update);
}

Result<TunnelStatus> UserspaceTunnel::status() const {
  engine::protocol::InterfaceSnapshot snapshot = device_->snapshot();
  TunnelStatus status;
  status.interface_name = device_->interface_name();
  status.private_key = snapshot.private_key;
  status.public_key = snapshot.public_key;
  status.listen_port = snapshot.listen_port;
  status.fwmark = snapshot.fwmark;
  status.peers.reserve(snapshot.peers.size());
  for (PeerSnapshot& peer : snapshot.peers) status.peers.push_back(to_status(std::move(peer)));
  return status;
}

Result<std::optional<PeerStatus>> UserspaceTunnel::peer(const PublicKey& key) const {
  std::optional<PeerSnapshot> snapshot = device_->peer(key);
  return snapshot ? std::optional<PeerStatus>(to_status(*std::move(snapshot))) : std::nullopt;
}

// A peer that calls between the two steps gets its old endpoint back for as long as its next packet takes.
std::vector<Count> UserspaceTunnel::counts() const {
  const engine::CounterValues values = device_->counters();
  std::vector<Count> counts;
  counts.reserve(values.counts.size() + values.drops.size());
  for (std::size_t i = 0; i < values.counts.size(); ++i) {
    counts.push_back({to_string(static_cast<engine::Counter>(i)), {}, values.counts[i]});
  }
  for (std::size_t i = 1; i < values.drops.size(); ++i) {  // 0 is DropReason::kNone
    counts.push_back({"drops", to_string(static_cast<engine::protocol::DropReason>(i)), values.drops[i]});
  }
  return counts;
}

Status UserspaceTunnel::restore_endpoints(std::span<const PeerEndpoint> endpoints) {
  std::unordered_set<PublicKey> known;
  for (const PeerSnapshot& peer : device_->snapshot().peers) {
    if (peer.endpoint) known.insert(peer.public_key);
  }
  InterfaceUpdate update;
  for (const PeerEndpoint& restored : endpoints) {
    if (!restored.endpoint || known.contains(restored.public_key)) continue;
    PeerUpdate& peer = update.peers.emplace_back();
    peer.public_key = restored.public_key;
    peer.update_only = true;
    peer.endpoint = restored.endpoint;
    peer.endpoint_is_learned = true;
  }
  return device_->configure(update);
}

std::vector<PeerEndpoint> UserspaceTunnel::take_learned_endpoints() {
  std::vector<PeerEndpoint> taken;
  for (const engine::protocol::LearnedEndpoint& learned : device_->take_learned_endpoints()) {
    taken.push_back({learned.public_key, learned.endpoint, learned.last_handshake});
  }
  return taken;
}

void UserspaceTunnel::on_learned_endpoints(std::function<void()> listener) {
  device_->on_learned_endpoints(std::move(listener));
}

void UserspaceTunnel::on_foreign_change(std::function<void()> listener) {
  const std::lock_guard lock(others_mutex_);
  foreign_listener_ = std::move(listener);
}

}  // namespace vpn::tunnel
