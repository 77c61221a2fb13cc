// Handshakes and time (kernel receive.c: wg_receive_handshake_packet; send.c; timers.c: wg_expired_*). Everything here
// runs under the slow path's mutex, which packets never wait for.
#include "engine/protocol/interface.h"

#include <algorithm>
#include <utility>

#include "engine/crypto/x25519.h"
#include "engine/protocol/ecn.h"

namespace vpn::engine::protocol {

namespace {

/// How many peers that share one tag are called for one packet: with 2^20 tags, more than two share one only by the ten
/// thousand.
constexpr std::size_t kMaxRevivals = 4;
constexpr std::size_t kMaxExpiredAtOnce = 64;
/// A message that its macs refuse costs a microsecond, a handshake a hundred: so many looks for one handshake.
constexpr std::size_t kLooksPerHandshake = 64;

template <typename Message>
void send_message(const Message& message, const Path& path, std::uint8_t traffic_class, Actions& actions) {
  const ByteView bytes = bytes_of(message);
  const MutableBytes datagram = actions.add_datagram(path, traffic_class, bytes.size());
  std::copy(bytes.begin(), bytes.end(), datagram.begin());
}

}  // namespace

std::size_t Interface::process_handshakes(std::size_t budget, Moment now, Actions& actions) {
  const std::unique_lock slow(slow_mutex_, std::try_to_lock);
  if (slow) {
    QueuedHandshake queued;
    std::size_t waiting = 0;
    for (std::size_t looks = budget * kLooksPerHandshake; budget > 0 && looks > 0; --looks) {
      if (!take_queued(handshake_queue_, queued, waiting)) break;
      if (!identity_ || !up_) continue;
      if (handle_handshake(queued, is_under_load(waiting, now), now, actions)) --budget;
    }
    // With what they leave of the budget: an answer to an earlier call comes before the next call.
    Revival revival;
    while (budget > 0 && take_queued(revivals_, revival, waiting)) {
      if (identity_ && up_ && !is_under_load(0, now)) budget -= std::min(budget, revive(revival, now, actions));
    }
  }
  const std::lock_guard lock(queue_mutex_);
  return handshake_queue_.size() + revivals_.size();
}

template <typename T>
bool Interface::take_queued(std::deque<T>& queue, T& taken, std::size_t& waiting) {
  const std::lock_guard lock(queue_mutex_);
  waiting = queue.size();
  if (waiting == 0) return false;
  taken = queue.front();
  queue.pop_front();
  return true;
}

bool Interface::is_under_load(std::size_t waiting, Moment now) {
  if (waiting >= kUnderLoadQueueLength) last_under_load_ = now.boot;
  return last_under_load_ != Instant::min() && now.boot - last_under_load_ < kUnderLoadSticky;
}

bool Interface::handle_handshake(const QueuedHandshake& queued, bool under_load, Moment now, Actions& actions) {
  const ByteView message = ByteView(queued.bytes).first(queued.size);
  const MessageType type = *classify(message);
  if (type == MessageType::kCookieReply) {
    consume_cookie_reply(queued, now);
    return true;
  }
  // Row 15: mac1 first, always; under load a valid mac2, then the rate limit of its source.
  if (!cookie_checker_.verify_mac1(message)) {
    count_drop(DropReason::kInvalidMac1);
    return false;
  }
  if (under_load) {
    if (!cookie_checker_.verify_mac2(message, queued.path.remote, now.boot, random_)) {
      count_drop(DropReason::kCookieRequired);
      send_cookie_reply(queued, now, actions);
      return false;
    }
    if (!rate_limiter_.allow(queued.path.remote.address, now.boot)) {
      count_drop(DropReason::kRateLimited);
      return false;
    }
  }
  if (type == MessageType::kHandshakeInitiation) {
    consume_initiation(queued, now, actions);
  } else {
    consume_response(queued, now, actions);
  }
  return true;
}

void Interface::consume_initiation(const QueuedHandshake& queued, Moment now, Actions& actions) {
  const auto message = read<HandshakeInitiation>(queued.bytes);
  auto opened = OpenedInitiation::open(*identity_, message);
  if (!opened) return count_drop(DropReason::kInvalidHandshake);
  const auto position = peers_.find(opened->remote_static());
  if (position == peers_.end()) return count_drop(DropReason::kUnknownPeer);
  Peer& peer = *position->second;
  const DropReason reason = std::move(*opened).accept(*identity_, message, peer.handshake, now.boot);
  if (reason != DropReason::kNone) return count_drop(reason);

  {
    const std::lock_guard lock(peer.mutex);
    learn_path(peer, queued.path);
  }
  send_response(peer, now, actions);
  authenticated_handshake(peer, queued.size, now);
}

void Interface::send_response(Peer& peer, Moment now, Actions& actions) {
  HandshakeResponse message;
  const std::uint32_t index = claim_handshake_index(peer);
  if (!peer.handshake.create_response(make_ephemeral(), index, message)) {
    // An ephemeral of low order: nobody honest sends one.
    peer.handshake.clear();
    release_handshake_index(peer);
    return count_drop(DropReason::kInvalidHandshake);
  }
  peer.cookie.add_macs(mutable_bytes_of(message), now.boot);
  begin_session(peer, false, now);
  const std::lock_guard lock(peer.mutex);
  peer.last_sent_handshake = now.boot;
  peer.timers.any_authenticated_packet_traversal(now.boot);
  peer.timers.any_authenticated_packet_sent();
  peer.tx_bytes += sizeof message;
  send_message(message, peer.path, kHandshakeTrafficClass, actions);
}

void Interface::consume_response(const QueuedHandshake& queued, Moment now, Actions& actions) {
  const auto message = read<HandshakeResponse>(queued.bytes);
  const std::shared_ptr<Peer> peer = peer_of_session(message.receiver_index);
  if (!peer || peer->handshake_index != message.receiver_index) return count_drop(DropReason::kUnknownIndex);
  if (!peer->handshake.consume_response(*identity_, message)) return count_drop(DropReason::kInvalidHandshake);

  begin_session(*peer, true, now);
  {
    const std::lock_guard lock(peer->mutex);
    learn_path(*peer, queued.path);
    handshake_complete(*peer, now);
  }
  authenticated_handshake(*peer, queued.size, now);
  // Row 11: what waits, or a keepalive, tells the responder that the session stands.
  send_keepalive(*peer, now, slow_aead_, actions);
}

void Interface::authenticated_handshake(Peer& peer, std::size_t size, Moment now) {
  Instant wake = kNever;
  {
    const std::lock_guard lock(peer.mutex);
    peer.rx_bytes += size;
    peer.timers.any_authenticated_packet_received();
    peer.timers.any_authenticated_packet_traversal(now.boot);
    wake = peer.timers.earliest();
  }
  deadlines_.wake_by(peer, wake);
}

void Interface::begin_session(Peer& peer, bool initiator, Moment now) {
  auto keypair = std::make_shared<Keypair>();
  keypair->remote_index = peer.handshake.remote_index();
  keypair->local_index =
      *std::exchange(peer.handshake_index, std::nullopt);  // the handshake's index is the session's from now on
  keypair->initiator = initiator;
  keypair->created = now.boot;
  SessionKeys keys = *peer.handshake.derive_session_keys();
  keypair->sending_key = keys.sending;
  keypair->receiving_key = keys.receiving;

  const std::chrono::nanoseconds jitter = make_jitter();
  Keypairs::Indices freed;
  {
    const std::lock_guard lock(peer.mutex);
    peer.timers.set_jitter(jitter);
    freed = peer.keypairs.add(std::move(keypair));
    peer.timers.session_derived(now.boot);
  }
  release_indices(peer, freed);
}

void Interface::consume_cookie_reply(const QueuedHandshake& queued, Moment now) {
  const auto message = read<CookieReply>(queued.bytes);
  const std::shared_ptr<Peer> peer = peer_of_session(message.receiver_index);
  if (!peer) return count_drop(DropReason::kUnknownIndex);
  // Row 14: no roaming from it, no timer.
  if (!peer->cookie.consume(message, now.boot)) count_drop(DropReason::kInvalidHandshake);
}

void Interface::send_cookie_reply(const QueuedHandshake& queued, Moment now, Actions& actions) {
  const ByteView message = ByteView(queued.bytes).first(queued.size);
  const std::uint32_t sender_index = load_le32(message.data() + 4);
  const CookieReply reply = cookie_checker_.make_reply(message, sender_index, queued.path.remote, now.boot, random_);
  send_message(reply, queued.path, 0, actions);
}

void Interface::send_initiation(Peer& peer, const Path* also, Moment now, Actions& actions) {
  if (!identity_) return;
  Path path;
  {
    const std::lock_guard lock(peer.mutex);
    path = peer.path;
    if ((!path.remote && also == nullptr) || !up_ || !peer.may_initiate(now.boot)) return;
    peer.last_sent_handshake = now.boot;
  }
  HandshakeInitiation message;
  const std::uint32_t index = claim_handshake_index(peer);
  if (!peer.handshake.create_initiation(*identity_, make_ephemeral(), Tai64n::from(now.wall), index, message)) {
    return release_handshake_index(peer);
  }
  peer.cookie.add_macs(mutable_bytes_of(message), now.boot);
  if (path.remote) send_message(message, path, kHandshakeTrafficClass, actions);
  if (also != nullptr && also->remote != path.remote) send_message(message, *also, kHandshakeTrafficClass, actions);

  const std::chrono::nanoseconds jitter = make_jitter();
  const std::lock_guard lock(peer.mutex);
  peer.timers.set_jitter(jitter);
  peer.timers.any_authenticated_packet_traversal(now.boot);
  peer.timers.any_authenticated_packet_sent();
  peer.timers.handshake_initiated(now.boot);
  peer.tx_bytes += sizeof message;
  deadlines_.wake_by(peer, peer.timers.earliest());
}

std::size_t Interface::revive(const Revival& revival, Moment now, Actions& actions) {
  const auto [first, last] = newcomers_.equal_range(session_index_->open(revival.index).tag);
  std::size_t called = 0;
  for (auto position = first; position != last && called < kMaxRevivals; ++position) {
    Peer& peer = *position->second;
    if (!is_newcomer(peer, now)) continue;
    {
      const std::lock_guard lock(peer.mutex);
      if (!peer.may_initiate(now.boot)) continue;  // called already
      // It has found us already; unless it has left since for a replica that is now gone.
      if (!has_replicas_ && sealing_keypair(peer, 1, now)) continue;
    }
    if (!revival_limiter_.allow(revival.path.remote.address, now.boot)) {
      count_drop(DropReason::kRateLimited);
      break;
    }
    // The path is the packet's own word, so it is used once and not kept: only an authenticated answer moves the
    // endpoint. An endpoint that we do know is called as well, lest a guess keep us from the peer itself.
    send_initiation(peer, &revival.path, now, actions);
    ++called;
  }
  return called;
}

void Interface::expire(Moment now, Actions& actions) {
  const std::unique_lock slow(slow_mutex_, std::try_to_lock);
  if (!slow) return;
  std::vector<Peer*> due;
  deadlines_.take_due(now.boot, kMaxExpiredAtOnce, due);
  for (Peer* peer : due) expire_peer(*peer, now, actions);
}

void Interface::expire_peer(Peer& peer, Moment now, Actions& actions) {
  Timers::Due due;
  bool initiate = false;
  {
    const std::lock_guard lock(peer.mutex);
    due = peer.timers.take_due(now.boot);
    initiate = due.initiation || due.new_handshake;
    if (due.new_handshake) peer.handshake_attempts = 0;
    if (due.retransmit_handshake) {
      // Row 19 and 23: 20 initiations went unanswered, as many as the kernel sends; or a revival did, and there is
      // nobody to call again.
      if (peer.handshake_attempts > kMaxHandshakeAttempts || !peer.path.remote) {
        peer.staged.clear();
        peer.timers.gave_up(now.boot);
        // Who told us an endpoint wants it called for ever; one that we learned is of a client that has left.
        if (!peer.endpoint_configured) peer.timers.rest();
      } else {
        ++peer.handshake_attempts;
        initiate = true;
      }
    }
    if (due.new_handshake || due.retransmit_handshake) {
      // Row 27: the source address that worked may be gone.
      peer.path.local = {};
      peer.path.local_interface = 0;
    }
  }
  if (due.zero_keys) zero_keys(peer);
  if (initiate) send_initiation(peer, nullptr, now, actions);
  if (due.send_keepalive || due.persistent_keepalive) send_keepalive(peer, now, slow_aead_, actions);
  Instant wake = kNever;
  {
    const std::lock_guard lock(peer.mutex);
    if (due.send_keepalive) peer.timers.passive_keepalive_sent(now.boot);
    wake = peer.timers.earliest();
  }
  deadlines_.wake_by(peer, wake);
}

void Interface::zero_keys(Peer& peer) {
  peer.handshake.clear();
  release_handshake_index(peer);
  Keypairs::Indices freed;
  {
    const std::lock_guard lock(peer.mutex);
    freed = peer.keypairs.clear();
  }
  release_indices(peer, freed);
}

std::uint32_t Interface::claim_handshake_index(Peer& peer) {
  release_handshake_index(peer);
  const std::uint32_t tag = session_index_->tag(peer.public_key);
  const std::unique_lock table(table_mutex_);
  while (true) {
    // Ends: a peer holds at most four indices, and a tag has 4096. At random, or the order would be the same in every
    // life.
    const std::uint32_t index = session_index_->index(tag, random_.next_u32());
    if (!sessions_.try_emplace(index, peer.shared_from_this()).second) continue;
    peer.handshake_index = index;
    return index;
  }
}

void Interface::release_handshake_index(Peer& peer) {
  if (!peer.handshake_index) return;
  const std::uint32_t index = *std::exchange(peer.handshake_index, std::nullopt);
  release_indices(peer, {&index, 1});
}

std::chrono::nanoseconds Interface::make_jitter() {
  return std::chrono::nanoseconds(random_.below(static_cast<std::uint32_t>(kRekeyTimeoutJitterMax.count())));
}

PrivateKey Interface::make_ephemeral() {
  return crypto::generate_private_key(random_);
}

}  // namespace vpn::engine::protocol
