#include "engine/protocol/interface.h"

#include <algorithm>
#include <utility>

#include "engine/crypto/x25519.h"

namespace vpn::engine::protocol {
namespace {

constexpr std::size_t kSnapshotStep = 256;

}  // namespace

Interface::Interface(Random& random) : random_(random), rate_limiter_(random), revival_limiter_(random) {}

Interface::~Interface() = default;

Status Interface::configure(const InterfaceUpdate& update, Moment now, Actions& actions) {
  const std::lock_guard slow(slow_mutex_);
  if (Status fits = check_limits(update); !fits) return fits;
  const bool had_identity = identity_.has_value();
  if (update.has_replicas) {
    has_replicas_ = *update.has_replicas;
    find_newcomers(now);
  }
  if (update.private_key) set_private_key(*update.private_key, now);
  if (!had_identity && identity_ && up_) {
    // What waited for an identity (kernel netlink.c: the peers' staged packets go once the key is set).
    for (const auto& [public_key, peer] : peers_) send_staged(*peer, now, slow_aead_, actions);
  }
  if (update.replace_peers) {
    while (!peers_.empty()) remove_peer(peers_.begin());
  }
  for (const PeerUpdate& peer : update.peers) configure_peer(peer, now, actions);
  return {};
}

Status Interface::check_limits(const InterfaceUpdate& update) const {
  std::size_t peers = update.replace_peers ? 0 : peers_.size();
  std::size_t allowed_ips = 0;
  {
    const std::shared_lock table(table_mutex_);
    allowed_ips = update.replace_peers ? 0 : allowed_ips_.size();
  }
  // A key that stands twice in one update is counted twice: too careful by at most that, and only at the limit.
  for (const PeerUpdate& peer : update.peers) {
    if (!peer.remove && (update.replace_peers || !peers_.contains(peer.public_key))) ++peers;
    allowed_ips += peer.allowed_ips.size();
  }
  if (peers > kMaxPeers) {
    return fail(ErrorCode::kExhausted, "an interface holds at most " + std::to_string(kMaxPeers) + " peers",
                "public_key");
  }
  if (allowed_ips > AllowedIps::kMaxEntries) {
    return fail(ErrorCode::kExhausted,
                "an interface holds at most " + std::to_string(AllowedIps::kMaxEntries) + " allowed IPs", "allowed_ip");
  }
  return {};
}

void Interface::set_private_key(const PrivateKey& given, Moment now) {
  // Clamped, as the kernel keeps it: one key has one form, so every life of it makes the same session indices.
  const PrivateKey key = given.is_zero() ? given : crypto::clamp(given);
  if (identity_ ? identity_->private_key == key : key.is_zero()) return;
  if (key.is_zero()) {
    identity_.reset();
  } else {
    const PublicKey own = crypto::derive_public_key(key);
    if (const auto ourselves = peers_.find(own); ourselves != peers_.end()) remove_peer(ourselves);
    identity_ = StaticIdentity{key, own};
    session_index_.emplace(key);
    cookie_checker_.set_public_key(own);
  }
  // Sessions made under the old key may receive until they end, and send no more (kernel netlink.c, noise.c).
  for (const auto& [public_key, peer] : peers_) {
    peer->handshake.forget_identity();
    release_handshake_index(*peer);
    const std::lock_guard lock(peer->mutex);
    peer->keypairs.expire_sending();
    peer->last_sent_handshake = Instant::min();
  }
  find_newcomers(now);
}

void Interface::configure_peer(const PeerUpdate& update, Moment now, Actions& actions) {
  const auto position = peers_.find(update.public_key);
  const bool exists = position != peers_.end();
  if (update.remove) {
    if (exists) remove_peer(position);
    return;
  }
  const bool ourselves = identity_ && identity_->public_key == update.public_key;
  if ((!exists && update.update_only) || ourselves) return;

  Peer& peer = exists ? *position->second : add_peer(update.public_key, now);
  if (update.preshared_key) peer.handshake.set_preshared_key(*update.preshared_key);
  change_allowed_ips(peer, update);
  bool keepalive_begins = false;
  {
    const std::lock_guard lock(peer.mutex);
    if (update.endpoint) {
      peer.path = Path{*update.endpoint, {}, 0};
      peer.endpoint_configured = peer.endpoint_configured || !update.endpoint_is_learned;
    }
    if (update.persistent_keepalive_s) {
      keepalive_begins = peer.timers.set_persistent_keepalive(*update.persistent_keepalive_s);
    }
    // An endpoint given to a peer with a keepalive is as good as a keepalive given to a peer with an endpoint.
    keepalive_begins = keepalive_begins || (update.endpoint && peer.timers.persistent_keepalive_s() != 0);
  }
  if (!up_) return;
  if (keepalive_begins) {
    send_keepalive(peer, now, slow_aead_, actions);
  } else {
    send_staged(peer, now, slow_aead_, actions);
  }
}

Peer& Interface::add_peer(const PublicKey& key, Moment now) {
  auto peer = std::make_shared<Peer>(key, now.boot, staged_bytes_);
  add_newcomer(*peer, now);
  return *peers_.emplace(key, std::move(peer)).first->second;
}

void Interface::find_newcomers(Moment now) {
  newcomers_.clear();
  revival_until_.store(Instant::min().time_since_epoch().count(), std::memory_order_relaxed);
  for (const auto& [public_key, peer] : peers_) {
    if (is_newcomer(*peer, now)) add_newcomer(*peer, now);
  }
}

void Interface::add_newcomer(Peer& peer, Moment now) {
  if (!identity_) return;
  if (newcomers_swept_ == Instant::min() || now.boot - newcomers_swept_ >= kRejectAfterTime) {
    std::erase_if(newcomers_, [&](const auto& tagged) { return !is_newcomer(*tagged.second, now); });
    newcomers_swept_ = now.boot;
  }
  newcomers_.emplace(session_index_->tag(peer.public_key), &peer);
  const Instant until = has_replicas_ ? kNever : std::max(peer.added + kRejectAfterTime, revival_until());
  revival_until_.store(until.time_since_epoch().count(), std::memory_order_relaxed);
}

void Interface::change_allowed_ips(Peer& peer, const PeerUpdate& update) {
  if (!update.replace_allowed_ips && update.allowed_ips.empty()) return;
  const std::unique_lock table(table_mutex_);
  if (update.replace_allowed_ips) allowed_ips_.remove_all(&peer);
  for (const AllowedIpChange& change : update.allowed_ips) {
    if (change.remove) {
      allowed_ips_.remove(change.prefix, &peer);
    } else {
      allowed_ips_.insert(change.prefix, &peer);
    }
  }
}

void Interface::remove_peer(PeerMap::iterator position) {
  const std::shared_ptr<Peer> peer = position->second;
  peers_.erase(position);
  if (identity_) {
    const auto [first, last] = newcomers_.equal_range(session_index_->tag(peer->public_key));
    const auto entry = std::find_if(first, last, [&](const auto& tagged) { return tagged.second == peer.get(); });
    if (entry != last) newcomers_.erase(entry);
  }
  {
    const std::unique_lock table(table_mutex_);
    allowed_ips_.remove_all(peer.get());
  }
  zero_keys(*peer);
  {
    const std::lock_guard lock(peer->mutex);
    peer->staged.clear();
    peer->timers.stop();
    peer->removed = true;
  }
  deadlines_.remove(*peer);
}

void Interface::set_up(bool up, Moment now, Actions& actions) {
  const std::lock_guard slow(slow_mutex_);
  if (up_.exchange(up) == up) return;
  if (!up) {
    const std::lock_guard lock(queue_mutex_);
    handshake_queue_.clear();
    revivals_.clear();
  }
  for (const auto& [public_key, peer] : peers_) {
    if (up) {
      if (peer->timers.persistent_keepalive_s() != 0) send_keepalive(*peer, now, slow_aead_, actions);
      continue;
    }
    zero_keys(*peer);
    const std::lock_guard lock(peer->mutex);
    peer->staged.clear();
    peer->timers.stop();
    peer->last_sent_handshake = Instant::min();
  }
}

void Interface::forget_sources() {
  const std::lock_guard slow(slow_mutex_);
  for (const auto& [public_key, peer] : peers_) {
    const std::lock_guard lock(peer->mutex);
    peer->path = Path{peer->path.remote, {}, 0};
  }
}

InterfaceSnapshot Interface::snapshot() const {
  InterfaceSnapshot snapshot;
  std::vector<std::shared_ptr<Peer>> peers;
  {
    const std::lock_guard slow(slow_mutex_);
    if (identity_) {
      snapshot.private_key = identity_->private_key;
      snapshot.public_key = identity_->public_key;
    }
    peers.reserve(peers_.size());
    for (const auto& [public_key, peer] : peers_) peers.push_back(peer);
  }
  snapshot.peers.reserve(peers.size());
  // In small steps, so that handshakes and timers do not wait for 100,000 peers.
  for (std::span<const std::shared_ptr<Peer>> rest = peers; !rest.empty();) {
    const auto step = rest.first(std::min(kSnapshotStep, rest.size()));
    rest = rest.subspan(step.size());
    const std::lock_guard slow(slow_mutex_);
    for (const auto& peer : step) snapshot.peers.push_back(show(*peer));
  }
  return snapshot;
}

std::optional<PeerSnapshot> Interface::snapshot_of(const PublicKey& key) const {
  const std::lock_guard slow(slow_mutex_);
  const auto position = peers_.find(key);
  if (position == peers_.end()) return std::nullopt;
  return show(*position->second);
}

PeerSnapshot Interface::show(Peer& peer) const {
  PeerSnapshot shown;
  shown.public_key = peer.public_key;
  shown.preshared_key = peer.handshake.preshared_key();
  {
    const std::shared_lock table(table_mutex_);
    shown.allowed_ips = allowed_ips_.entries(&peer);
  }
  const std::lock_guard lock(peer.mutex);
  shown.endpoint = peer.path.remote;
  shown.persistent_keepalive_s = peer.timers.persistent_keepalive_s();
  shown.last_handshake = peer.last_handshake;
  shown.rx_bytes = peer.rx_bytes;
  shown.tx_bytes = peer.tx_bytes;
  return shown;
}

std::vector<LearnedEndpoint> Interface::take_learned_endpoints() {
  std::vector<std::shared_ptr<Peer>> peers;
  {
    const std::lock_guard lock(learned_mutex_);
    peers.swap(learned_);
    has_learned_.store(false, std::memory_order_relaxed);
  }
  std::vector<LearnedEndpoint> learned;
  learned.reserve(peers.size());
  for (const auto& peer : peers) {
    const std::lock_guard lock(peer->mutex);
    peer->learned_pending = false;
    if (!peer->removed) learned.push_back({peer->public_key, peer->path.remote, peer->last_handshake});
  }
  return learned;
}

std::size_t Interface::session_count() const {
  const std::shared_lock table(table_mutex_);
  return sessions_.size();
}

std::array<std::uint64_t, static_cast<std::size_t>(DropReason::kCount)> Interface::quiet_drops() const {
  std::array<std::uint64_t, static_cast<std::size_t>(DropReason::kCount)> drops{};
  for (std::size_t i = 0; i < drops.size(); ++i) drops[i] = quiet_drops_[i].load(std::memory_order_relaxed);
  return drops;
}

std::shared_ptr<Peer> Interface::peer_of_session(std::uint32_t index) const {
  const std::shared_lock table(table_mutex_);
  const auto position = sessions_.find(index);
  return position == sessions_.end() ? nullptr : position->second;
}

void Interface::release_indices(const Peer& peer, std::span<const std::uint32_t> indices) {
  if (indices.empty()) return;
  const std::unique_lock table(table_mutex_);
  for (const std::uint32_t index : indices) {
    const auto position = sessions_.find(index);
    if (position != sessions_.end() && position->second.get() == &peer) sessions_.erase(position);
  }
}

void Interface::learn_path(Peer& peer, const Path& path) {
  if (peer.path == path) return;
  const bool roamed = peer.path.remote != path.remote;
  peer.path = path;
  if (roamed) note_learned(peer);
}

void Interface::handshake_complete(Peer& peer, Moment now) {
  peer.timers.handshake_complete();
  peer.handshake_attempts = 0;
  peer.sent_lastminute_handshake = false;
  peer.last_handshake = now.wall;
  note_learned(peer);
}

void Interface::note_learned(Peer& peer) {
  if (std::exchange(peer.learned_pending, true)) return;
  const std::lock_guard lock(learned_mutex_);
  learned_.push_back(peer.shared_from_this());
  has_learned_.store(true, std::memory_order_relaxed);
}

}  // namespace vpn::engine::protocol
