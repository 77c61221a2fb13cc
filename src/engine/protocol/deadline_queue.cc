#include "engine/protocol/deadline_queue.h"

namespace vpn::engine::protocol {
namespace {

// A removed peer may still be in a batch in flight: nothing is earlier than this, so it is never entered again.
constexpr Instant kRemoved = Instant::min();

Instant wake_at(const Peer& peer) {
  return Instant(Instant::duration(peer.wake_at.load(std::memory_order_relaxed)));
}

void set_wake_at(Peer& peer, Instant when) {
  peer.wake_at.store(when.time_since_epoch().count(), std::memory_order_relaxed);
}

}  // namespace

void DeadlineQueue::wake_by(Peer& peer, Instant when) {
  if (when >= wake_at(peer)) return;
  const std::lock_guard lock(mutex_);
  const Instant old = wake_at(peer);
  if (when >= old) return;
  if (old != kNever) entries_.erase({old, &peer});
  entries_.insert({when, &peer});
  set_wake_at(peer, when);
  update_earliest();
}

void DeadlineQueue::remove(Peer& peer) {
  const std::lock_guard lock(mutex_);
  entries_.erase({wake_at(peer), &peer});
  set_wake_at(peer, kRemoved);
  update_earliest();
}

void DeadlineQueue::take_due(Instant now, std::size_t limit, std::vector<Peer*>& due) {
  const std::lock_guard lock(mutex_);
  while (due.size() < limit && !entries_.empty() && entries_.begin()->first <= now) {
    Peer* peer = entries_.begin()->second;
    entries_.erase(entries_.begin());
    set_wake_at(*peer, kNever);
    due.push_back(peer);
  }
  update_earliest();
}

void DeadlineQueue::update_earliest() {
  const Instant first = entries_.empty() ? kNever : entries_.begin()->first;
  earliest_.store(first.time_since_epoch().count());
}

}  // namespace vpn::engine::protocol
