// One peer: what the hot path and the slow path each know of it (kernel struct wg_peer), and the queue of packets that
// wait for its session.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/key.h"
#include "engine/protocol/cookie.h"
#include "engine/protocol/keypair.h"
#include "engine/protocol/noise.h"
#include "engine/protocol/packet.h"
#include "engine/protocol/timers.h"

namespace vpn::engine::protocol {

/// Bytes of staged packets that one interface may hold over all its peers: 128 for each of 100,000 would be 18 GB.
constexpr std::size_t kMaxStagedBytes = 8u << 20;
using StagedBytes = std::atomic<std::size_t>;

/// Inner packets that wait for a session, at most 128, oldest out first (row 32). Guarded by the peer's mutex.
class StagedQueue {
 public:
  /// `total` counts the bytes of every queue of the interface.
  explicit StagedQueue(StagedBytes& total) : total_(total) {}
  ~StagedQueue() { clear(); }
  StagedQueue(const StagedQueue&) = delete;
  StagedQueue& operator=(const StagedQueue&) = delete;

  bool empty() const { return size() == 0; }
  /// Copies the packet. False when the interface's bound is reached; when this queue's own is, the oldest packet goes
  /// and `dropped_oldest` is set.
  bool push(ByteView packet, bool& dropped_oldest);
  /// Empty packets are keepalives.
  std::deque<std::vector<std::uint8_t>> take();
  std::size_t size() const { return packets_ ? packets_->size() : 0; }
  void clear() { take(); }

 private:
  StagedBytes& total_;
  std::unique_ptr<std::deque<std::vector<std::uint8_t>>>
      packets_;  ///< none while empty: an empty deque takes 600 bytes
};

struct Peer : std::enable_shared_from_this<Peer> {
  Peer(const PublicKey& key, Instant now, StagedBytes& staged_total)
      : public_key(key), added(now), staged(staged_total), handshake(key) {}

  const PublicKey public_key;
  const Instant added;

  /// Short, never held over cryptography. Guards the members down to the next comment.
  std::mutex mutex;
  Path path;                         ///< remote: none until configured or learned
  bool endpoint_configured = false;  ///< somebody set it, rather than a packet of the peer's
  bool removed = false;              ///< no longer the interface's, though a batch in flight may hold it
  Keypairs keypairs;
  Timers timers;
  StagedQueue staged;
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
  WallTime last_handshake{};
  Instant last_sent_handshake{Instant::min()};  ///< at most one initiation per 5 s (row 24)
  unsigned handshake_attempts = 0;              ///< retries since the last sign of life
  bool sent_lastminute_handshake = false;       ///< the receive side asks for a rekey once a session (row 21)
  bool learned_pending = false;                 ///< stands in the interface's list of learned endpoints

  // Guarded by the interface's slow-path mutex.
  Handshake handshake;
  CookieGenerator cookie{public_key};
  std::optional<std::uint32_t> handshake_index;  ///< our index of the handshake that is under way

  /// DeadlineQueue's: when it will wake the peer. Read without a lock as a hint.
  std::atomic<Instant::rep> wake_at{Instant::max().time_since_epoch().count()};

  /// True when an initiation may go out: 5 s since the last handshake message of ours. Caller holds `mutex`.
  bool may_initiate(Instant now) const {
    return last_sent_handshake == Instant::min() || now - last_sent_handshake >= kRekeyTimeout;
  }
};

}  // namespace vpn::engine::protocol
