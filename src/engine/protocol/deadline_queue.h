// When each peer wants to be woken: one entry a peer, ordered by time, so that an idle interface sleeps until its next
// deadline and a peer without one costs nothing.
//
// The hot path only ever moves a wake earlier, and mostly finds that it need not: one load. A wake that comes
// too early does no harm, the peer's timers say what is due and are scheduled again. Safe from any thread.
#pragma once

#include <atomic>
#include <mutex>
#include <set>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "engine/protocol/peer.h"

namespace vpn::engine::protocol {

class DeadlineQueue {
 public:
  /// Makes sure that the peer is woken at `when` or before.
  void wake_by(Peer& peer, Instant when);
  /// Forgets the peer for good: it must outlive this call alone.
  void remove(Peer& peer);
  /// Takes out up to `limit` peers whose time has come.
  void take_due(Instant now, std::size_t limit, std::vector<Peer*>& due);
  /// Sequentially consistent with wake_by(): see engine/worker.cc, call_housekeeper().
  Instant earliest() const { return Instant(Instant::duration(earliest_.load())); }

 private:
  void update_earliest();

  std::mutex mutex_;
  std::set<std::pair<Instant, Peer*>> entries_;  // guarded by mutex_
  std::atomic<Instant::rep> earliest_{kNever.time_since_epoch().count()};
};

}  // namespace vpn::engine::protocol
