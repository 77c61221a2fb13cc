// WireGuard without a socket, thread, clock or random call of its own: events and `now` in, actions out.
//
// An Interface is what the paper calls a WireGuard interface: a private key, and peers with their cryptokey routing
// table. The device drives it with batches of packets and with time; a simulation drives it just the same.
//
// Locks. Every method may be called from any thread. The hot path, send() and receive(), takes a shared lock for the
// look-ups of a batch and each peer's short lock for its bookkeeping, never one over cryptography. The slow path
// (handshakes, timers, configuration) is serialized by one mutex of its own, which the hot path never takes.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <shared_mutex>
#include <span>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "engine/crypto/aead.h"
#include "engine/protocol/allowed_ips.h"
#include "engine/protocol/config.h"
#include "engine/protocol/cookie.h"
#include "engine/protocol/deadline_queue.h"
#include "engine/protocol/packet.h"
#include "engine/protocol/peer.h"
#include "engine/protocol/rate_limiter.h"
#include "engine/protocol/session_index.h"

namespace vpn::engine::protocol {

class Interface {
 public:
  /// `random` is called under the slow path's mutex alone and outlives the interface.
  explicit Interface(Random& random);
  ~Interface();
  Interface(const Interface&) = delete;
  Interface& operator=(const Interface&) = delete;

  // --- Configuration: interface.cc ---

  /// Applies the private key and the peers (listen_port and fwmark are the device's). All or nothing:
  /// kExhausted above kMaxPeers. A peer with our own public key is left out silently, as in the kernel.
  Status configure(const InterfaceUpdate& update, Moment now, Actions& actions);
  /// Bounds the padding of data packets (kernel send.c: calculate_skb_padding). 0: no bound.
  void set_mtu(std::size_t mtu_bytes) { mtu_bytes_.store(mtu_bytes, std::memory_order_relaxed); }
  /// Down: staged packets and keys are wiped, nothing is sent (row 34). Up: peers with a persistent keepalive begin.
  void set_up(bool up, Moment now, Actions& actions);
  /// Forgets the source addresses that answers leave by: the routing table chooses anew. For a new port or fwmark, or
  /// when a source is no longer ours (kernel socket.c: wg_socket_clear_peer_endpoint_src). Walks all peers.
  void forget_sources();
  /// listen_port and fwmark are left 0. Peers in no order; while it runs others may change the configuration, and each
  /// peer is shown as it was at one moment.
  InterfaceSnapshot snapshot() const;
  /// One peer; nothing when there is none.
  std::optional<PeerSnapshot> snapshot_of(const PublicKey& key) const;

  // --- Packets, the hot path: interface_send.cc, interface_receive.cc ---

  /// Inner packets towards peers. Each packet's verdict is set; those to send are sealed in place, those whose peer has
  /// no session are copied and wait. Batches may be of any size. `aead` is the calling worker's.
  void send(std::span<OutboundPacket> packets, Moment now, crypto::Aead& aead, Actions& actions);

  /// Datagrams from the network. Data packets are opened in place and their verdict set; handshake messages are copied
  /// to a bounded queue for process_handshakes(). So is, in the first 180 s after a peer was added, the index of a data
  /// packet that no session has: it may be of the peer's session with our earlier life (docs/adr/0002), or, at any
  /// time, with a replica of ours.
  void receive(std::span<InboundDatagram> datagrams, Moment now, crypto::Aead& aead, Actions& actions);

  // --- Handshakes and time, the slow path: interface_handshake.cc ---

  /// Works on up to `budget` queued handshake messages and calls to clients of an earlier life, about 120 us each;
  /// messages that a look at the macs refuses count for little. Returns how many still wait: all of them when another
  /// thread is in the slow path.
  std::size_t process_handshakes(std::size_t budget, Moment now, Actions& actions);

  /// When expire() is next due; kNever when nothing is. Changes with every call above: read it after each batch.
  Instant next_deadline() const { return deadlines_.earliest(); }
  /// Runs what is due, for at most 64 peers (the rest stays due, and all of it when another thread is in the slow
  /// path): retries, keepalives, rekeys that send() or receive() asked for, the wiping of old keys.
  void expire(Moment now, Actions& actions);

  // --- What others may watch ---

  /// Endpoints learned, and handshakes completed, since the last call, one entry per peer.
  std::vector<LearnedEndpoint> take_learned_endpoints();
  /// True when take_learned_endpoints() would not be empty: one relaxed load.
  bool has_learned_endpoints() const { return has_learned_.load(std::memory_order_relaxed); }
  /// Receiver indices in use: handshakes under way and keypairs. 0 means that no key of any session is left.
  std::size_t session_count() const;
  /// Drops that no packet's verdict tells: handshake messages, and the oldest of staged packets. By DropReason, since
  /// the start.
  std::array<std::uint64_t, static_cast<std::size_t>(DropReason::kCount)> quiet_drops() const;

 private:
  friend class InterfaceTest;

  static constexpr std::size_t kBatchSize = 64;

  /// A handshake message that waits for the slow path.
  struct QueuedHandshake {
    Path path;
    std::size_t size = 0;
    std::array<std::uint8_t, sizeof(HandshakeInitiation)> bytes{};
  };
  /// A data packet's index that no session has: perhaps of a newcomer's session with our earlier life.
  struct Revival {
    Path path;
    std::uint32_t index = 0;
  };
  /// More wait in vain: their clients' next packets ask again.
  static constexpr std::size_t kMaxQueuedRevivals = 64;
  /// Neighbours in a batch that go to one peer.
  struct OutboundRun {
    std::shared_ptr<Peer> peer;
    std::shared_ptr<Keypair> keypair;
    std::span<OutboundPacket> packets;
  };
  /// Neighbours in a batch that came for one session.
  struct InboundRun {
    std::shared_ptr<Peer> peer;
    std::shared_ptr<Keypair> keypair;
    std::span<InboundDatagram> datagrams;
    std::span<crypto::OpenJob> jobs;
  };
  using PeerMap = std::unordered_map<PublicKey, std::shared_ptr<Peer>>;

  // Configuration. The caller holds slow_mutex_.
  Status check_limits(const InterfaceUpdate& update) const;
  void set_private_key(const PrivateKey& key, Moment now);
  void configure_peer(const PeerUpdate& update, Moment now, Actions& actions);
  Peer& add_peer(const PublicKey& key, Moment now);
  void change_allowed_ips(Peer& peer, const PeerUpdate& update);
  void remove_peer(PeerMap::iterator position);

  // Hot path.
  std::size_t route(std::span<OutboundPacket> packets, std::span<OutboundRun> runs);
  std::size_t prepare(OutboundRun& run, Moment now, std::span<crypto::SealJob> jobs, Actions& actions);
  void stage(Peer& peer, std::span<OutboundPacket> packets, Moment now);
  std::size_t find_sessions(std::span<InboundDatagram> datagrams, Moment now, std::span<InboundRun> runs);
  void begin_open(InboundRun& run, Moment now);
  void finish_open(InboundRun& run, Moment now, crypto::Aead& aead, Actions& actions);
  void check_inner(std::span<InboundRun> runs);
  void queue_handshake(InboundDatagram& datagram);
  void queue_revival(InboundDatagram& datagram);
  /// Seals and sends what waits for the peer's session; without one, asks for a handshake.
  void send_staged(Peer& peer, Moment now, crypto::Aead& aead, Actions& actions);
  void send_keepalive(Peer& peer, Moment now, crypto::Aead& aead, Actions& actions);
  /// The current keypair when it may seal `count` more packets. The caller holds the peer's mutex.
  std::shared_ptr<Keypair> sealing_keypair(Peer& peer, std::size_t count, Moment now);
  /// The caller holds the peer's mutex.
  void ask_for_handshake(Peer& peer, Moment now);
  void learn_path(Peer& peer, const Path& path);
  void handshake_complete(Peer& peer, Moment now);
  void note_learned(Peer& peer);
  void release_indices(const Peer& peer, std::span<const std::uint32_t> indices);

  // Slow path. The caller holds slow_mutex_.
  /// Takes the oldest of a queue; `waiting`: how many there were. False when there was none.
  template <typename T>
  bool take_queued(std::deque<T>& queue, T& taken, std::size_t& waiting);
  /// False when a look at the macs was enough.
  bool handle_handshake(const QueuedHandshake& queued, bool under_load, Moment now, Actions& actions);
  bool is_under_load(std::size_t waiting, Moment now);
  void consume_initiation(const QueuedHandshake& queued, Moment now, Actions& actions);
  void consume_response(const QueuedHandshake& queued, Moment now, Actions& actions);
  void consume_cookie_reply(const QueuedHandshake& queued, Moment now);
  void send_cookie_reply(const QueuedHandshake& queued, Moment now, Actions& actions);
  /// To the peer's endpoint, if it has one, and to `also`, if that is another path.
  void send_initiation(Peer& peer, const Path* also, Moment now, Actions& actions);
  void send_response(Peer& peer, Moment now, Actions& actions);
  void begin_session(Peer& peer, bool initiator, Moment now);
  void authenticated_handshake(Peer& peer, std::size_t size, Moment now);
  /// Returns how many peers were called.
  std::size_t revive(const Revival& revival, Moment now, Actions& actions);
  /// Whether a session of the peer's that we do not know may be worth a call.
  bool is_newcomer(const Peer& peer, Moment now) const {
    return has_replicas_ || now.boot - peer.added < kRejectAfterTime;
  }
  void add_newcomer(Peer& peer, Moment now);
  /// When what makes a newcomer has changed.
  void find_newcomers(Moment now);
  void expire_peer(Peer& peer, Moment now, Actions& actions);
  void zero_keys(Peer& peer);
  std::uint32_t claim_handshake_index(Peer& peer);
  void release_handshake_index(Peer& peer);
  PrivateKey make_ephemeral();
  /// In [0, kRekeyTimeoutJitterMax).
  std::chrono::nanoseconds make_jitter();
  Instant revival_until() const { return Instant(Instant::duration(revival_until_.load(std::memory_order_relaxed))); }

  /// The caller holds slow_mutex_.
  PeerSnapshot show(Peer& peer) const;
  std::shared_ptr<Peer> peer_of_session(std::uint32_t index) const;
  void count_drop(DropReason reason) { ++quiet_drops_[static_cast<std::size_t>(reason)]; }

  Random& random_;
  std::atomic<std::size_t> mtu_bytes_{1420};
  std::atomic<bool> up_{false};
  std::atomic<Instant::rep> revival_until_{
      Instant::min().time_since_epoch().count()};  ///< 180 s after the last newcomer; kNever with replicas
  StagedBytes staged_bytes_{0};
  std::array<std::atomic<std::uint64_t>, static_cast<std::size_t>(DropReason::kCount)> quiet_drops_{};

  // Lock order: slow_mutex_, then table_mutex_ or a peer's mutex (never one inside the other), then the leaves inside
  // DeadlineQueue, queue_mutex_, learned_mutex_.

  mutable std::mutex slow_mutex_;
  // Guarded by slow_mutex_.
  std::optional<StaticIdentity> identity_;
  std::optional<SessionIndex> session_index_;
  bool has_replicas_ = false;
  CookieChecker cookie_checker_;
  RateLimiter rate_limiter_;
  RateLimiter revival_limiter_;  ///< of its own: its sources are not proven
  crypto::Aead slow_aead_;
  PeerMap peers_;
  std::unordered_multimap<std::uint32_t, Peer*>
      newcomers_;  ///< by tag (session_index.h); those of more than 180 s are swept
  Instant newcomers_swept_ = Instant::min();
  Instant last_under_load_ = Instant::min();

  mutable std::shared_mutex table_mutex_;
  // Guarded by table_mutex_.
  AllowedIps allowed_ips_;
  std::unordered_map<std::uint32_t, std::shared_ptr<Peer>>
      sessions_;  ///< by local index: handshakes and keypairs (row 9)

  DeadlineQueue deadlines_;

  std::mutex queue_mutex_;
  // Guarded by queue_mutex_.
  std::deque<QueuedHandshake> handshake_queue_;
  std::deque<Revival> revivals_;  ///< each index once

  std::mutex learned_mutex_;
  std::vector<std::shared_ptr<Peer>> learned_;  ///< guarded by learned_mutex_
  std::atomic<bool> has_learned_{false};
};

}  // namespace vpn::engine::protocol
