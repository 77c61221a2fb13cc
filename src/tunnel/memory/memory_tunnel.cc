#include "tunnel/memory/memory_tunnel.h"

#include <algorithm>
#include <utility>

#include "engine/crypto/x25519.h"

namespace vpn::tunnel {
namespace {

// What a tunnel gives when asked for any free port.
constexpr std::uint16_t kFirstFreePort = 49152;

}  // namespace

MemoryTunnel::MemoryTunnel(std::string interface_name, std::size_t max_peers)
    : interface_name_(std::move(interface_name)), max_peers_(max_peers) {}

Status MemoryTunnel::configure(const InterfaceConfig& config) {
  const std::lock_guard lock(mutex_);
  if (Status status = take_failure(); !status) return status;
  InterfaceConfig next = config;
  if (next.listen_port == 0) {
    next.listen_port = kFirstFreePort;
    while (occupied_ports_.contains(next.listen_port)) ++next.listen_port;
  }
  if (occupied_ports_.contains(next.listen_port)) {
    return fail(ErrorCode::kUnavailable, "UDP port " + std::to_string(next.listen_port) + " is taken");
  }
  config_ = next;
  public_key_ = next.private_key.is_zero() ? PublicKey() : engine::crypto::derive_public_key(next.private_key);
  remove_peer(public_key_);
  return {};
}

Status MemoryTunnel::ready() const {
  const std::lock_guard lock(mutex_);
  return ready_;
}

void MemoryTunnel::set_ready(Status ready) {
  const std::lock_guard lock(mutex_);
  ready_ = std::move(ready);
}

Status MemoryTunnel::apply(const Delta& delta) {
  const std::lock_guard lock(mutex_);
  if (Status status = take_failure(); !status) return status;
  const auto known = [this](const PublicKey& key) { return peers_.contains(key); };
  const auto removed = std::ranges::count_if(delta.remove, known);
  const auto updated = std::ranges::count_if(delta.set, known, &Peer::public_key);
  const std::size_t after =
      peers_.size() + delta.set.size() - static_cast<std::size_t>(removed) - static_cast<std::size_t>(updated);
  if (after > max_peers_) {
    return fail(ErrorCode::kExhausted, "a tunnel holds at most " + std::to_string(max_peers_) + " peers");
  }
  for (const PublicKey& key : delta.remove) remove_peer(key);
  for (const Peer& peer : delta.set) set_peer(peer);
  return {};
}

Result<TunnelStatus> MemoryTunnel::status() const {
  const std::lock_guard lock(mutex_);
  if (Status status = take_failure(); !status) return fail(status.error());
  TunnelStatus status;
  status.interface_name = interface_name_;
  status.private_key = config_.private_key;
  status.public_key = public_key_;
  status.listen_port = config_.listen_port;
  status.peers.reserve(peers_.size());
  for (const auto& [key, peer] : peers_) status.peers.push_back(peer);
  return status;
}

Result<std::optional<PeerStatus>> MemoryTunnel::peer(const PublicKey& key) const {
  const std::lock_guard lock(mutex_);
  if (Status status = take_failure(); !status) return fail(status.error());
  const auto found = peers_.find(key);
  return found == peers_.end() ? std::optional<PeerStatus>() : found->second;
}

Status MemoryTunnel::restore_endpoints(std::span<const PeerEndpoint> endpoints) {
  const std::lock_guard lock(mutex_);
  if (Status status = take_failure(); !status) return status;
  for (const PeerEndpoint& restored : endpoints) {
    const auto found = peers_.find(restored.public_key);
    if (found != peers_.end() && !found->second.endpoint) found->second.endpoint = restored.endpoint;
  }
  return {};
}

std::vector<PeerEndpoint> MemoryTunnel::take_learned_endpoints() {
  const std::lock_guard lock(mutex_);
  std::vector<PeerEndpoint> taken;
  taken.reserve(learned_.size());
  for (const auto& [key, endpoint] : learned_) taken.push_back(endpoint);
  learned_.clear();
  return taken;
}

void MemoryTunnel::on_learned_endpoints(std::function<void()> listener) {
  const std::lock_guard lock(mutex_);
  listener_ = std::move(listener);
}

void MemoryTunnel::fail_next(std::size_t calls, Error error) {
  const std::lock_guard lock(mutex_);
  failures_left_ = calls;
  failure_ = std::move(error);
}

void MemoryTunnel::occupy_port(std::uint16_t port) {
  const std::lock_guard lock(mutex_);
  occupied_ports_.insert(port);
}

void MemoryTunnel::learn(const PublicKey& key, const Endpoint& endpoint, WallTime handshake) {
  std::function<void()> listener;
  {
    const std::lock_guard lock(mutex_);
    const auto found = peers_.find(key);
    if (found == peers_.end()) return;
    found->second.endpoint = endpoint;
    found->second.last_handshake = handshake;
    learned_[key] = {key, endpoint, handshake};
    listener = listener_;
  }
  if (listener) listener();
}

void MemoryTunnel::add_traffic(const PublicKey& key, std::uint64_t rx_bytes, std::uint64_t tx_bytes) {
  const std::lock_guard lock(mutex_);
  const auto found = peers_.find(key);
  if (found == peers_.end()) return;
  found->second.rx_bytes += rx_bytes;
  found->second.tx_bytes += tx_bytes;
}

Status MemoryTunnel::take_failure() const {
  if (failures_left_ == 0) return {};
  --failures_left_;
  return fail(failure_);
}

void MemoryTunnel::remove_peer(const PublicKey& key) {
  const auto found = peers_.find(key);
  if (found == peers_.end()) return;
  disown(found->second.peer);
  learned_.erase(key);
  peers_.erase(found);
}

void MemoryTunnel::set_peer(const Peer& peer) {
  if (peer.public_key == public_key_) return;  // nobody is a peer of itself
  Peer& stored = peers_[peer.public_key].peer;
  disown(stored);
  stored = peer;
  if (stored.preshared_key && stored.preshared_key->is_zero()) stored.preshared_key.reset();
  for (const IpPrefix& prefix : peer.allowed_ips) {
    const auto [owner, fresh] = owners_.try_emplace(prefix, peer.public_key);
    if (fresh) continue;
    if (owner->second != peer.public_key) std::erase(peers_.at(owner->second).peer.allowed_ips, prefix);
    owner->second = peer.public_key;
  }
}

void MemoryTunnel::disown(const Peer& peer) {
  for (const IpPrefix& prefix : peer.allowed_ips) owners_.erase(prefix);
}

}  // namespace vpn::tunnel
