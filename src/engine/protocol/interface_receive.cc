// Datagrams from the network (kernel receive.c): find the session, open, check the window in order, learn the path,
// check the inner source.
#include "engine/protocol/interface.h"

#include <algorithm>

#include "engine/protocol/ecn.h"
#include "engine/protocol/ip_packet.h"

namespace vpn::engine::protocol {
namespace {

using Verdict = InboundDatagram::Verdict;

void drop(InboundDatagram& datagram, DropReason reason) {
  datagram.verdict = Verdict::kDropped;
  datagram.reason = reason;
}

std::uint32_t receiver_index(const InboundDatagram& datagram) {
  return load_le32(datagram.bytes.data() + 4);
}
std::uint64_t counter_of(const InboundDatagram& datagram) {
  return load_le64(datagram.bytes.data() + 8);
}

}  // namespace

void Interface::receive(std::span<InboundDatagram> datagrams, Moment now, crypto::Aead& aead, Actions& actions) {
  while (!datagrams.empty()) {
    const auto batch = datagrams.first(std::min(kBatchSize, datagrams.size()));
    datagrams = datagrams.subspan(batch.size());

    std::array<InboundRun, kBatchSize> all_runs;
    std::array<crypto::OpenJob, kBatchSize> jobs;
    const auto runs = std::span(all_runs).first(find_sessions(batch, now, all_runs));
    std::size_t job_count = 0;
    for (InboundRun& run : runs) {
      run.jobs = std::span(jobs).subspan(job_count, run.datagrams.size());
      begin_open(run, now);
      job_count += run.jobs.size();
    }
    aead.open(std::span(jobs).first(job_count));
    for (InboundRun& run : runs) finish_open(run, now, aead, actions);
    check_inner(runs);
  }
}

std::size_t Interface::find_sessions(std::span<InboundDatagram> datagrams, Moment now, std::span<InboundRun> runs) {
  std::size_t run_count = 0;
  InboundDatagram* last = nullptr;  // of the newest run
  const std::shared_lock table(table_mutex_);
  for (InboundDatagram& datagram : datagrams) {
    const auto type = classify(datagram.bytes);
    if (!type) {
      drop(datagram, DropReason::kMalformed);
    } else if (*type != MessageType::kData) {
      queue_handshake(datagram);
    } else if (last != nullptr && last + 1 == &datagram && receiver_index(*last) == receiver_index(datagram)) {
      InboundRun& run = runs[run_count - 1];
      run.datagrams = {run.datagrams.data(), run.datagrams.size() + 1};
      last = &datagram;
    } else if (const auto session = sessions_.find(receiver_index(datagram)); session != sessions_.end()) {
      runs[run_count++] = {session->second, nullptr, {&datagram, 1}, {}};
      last = &datagram;
    } else {
      drop(datagram, DropReason::kUnknownIndex);
      if (now.boot < revival_until()) queue_revival(datagram);
    }
  }
  return run_count;
}

void Interface::queue_handshake(InboundDatagram& datagram) {
  const std::lock_guard lock(queue_mutex_);
  if (handshake_queue_.size() >= kMaxQueuedHandshakes) return drop(datagram, DropReason::kHandshakeQueueFull);
  QueuedHandshake& queued = handshake_queue_.emplace_back();
  queued.path = *datagram.path;
  queued.size = datagram.bytes.size();
  std::copy(datagram.bytes.begin(), datagram.bytes.end(), queued.bytes.begin());
  datagram.verdict = Verdict::kHandshakeQueued;
}

// A client that does not know yet streams packets of one index: one of them is enough.
void Interface::queue_revival(InboundDatagram& datagram) {
  const std::uint32_t index = receiver_index(datagram);
  const std::lock_guard lock(queue_mutex_);
  const bool known = std::ranges::find(revivals_, index, &Revival::index) != revivals_.end();
  if (known || revivals_.size() >= kMaxQueuedRevivals) return;
  revivals_.push_back({*datagram.path, index});
  datagram.verdict = Verdict::kHandshakeQueued;
}

void Interface::begin_open(InboundRun& run, Moment now) {
  {
    const std::lock_guard lock(run.peer->mutex);
    run.keypair = run.peer->keypairs.find(receiver_index(run.datagrams.front()));
  }
  if (!run.keypair || run.keypair->expired(now.boot)) {
    const DropReason reason = run.keypair ? DropReason::kSessionExpired : DropReason::kUnknownIndex;
    for (InboundDatagram& datagram : run.datagrams) drop(datagram, reason);
    run.jobs = {};
    return;
  }
  for (std::size_t i = 0; i < run.datagrams.size(); ++i) {
    InboundDatagram& datagram = run.datagrams[i];
    run.jobs[i] = {&run.keypair->receiving_key, counter_of(datagram), datagram.bytes.subspan(kDataHeaderSize), false};
  }
}

void Interface::finish_open(InboundRun& run, Moment now, crypto::Aead& aead, Actions& actions) {
  if (run.jobs.empty()) return;
  Peer& peer = *run.peer;
  const InboundDatagram* newest = nullptr;
  std::size_t data_count = 0;
  bool confirmed = false;
  Keypairs::Indices freed;
  Instant wake = kNever;
  {
    const std::lock_guard lock(peer.mutex);
    for (std::size_t i = 0; i < run.datagrams.size(); ++i) {
      InboundDatagram& datagram = run.datagrams[i];
      if (!run.jobs[i].ok) {
        drop(datagram, DropReason::kAuthenticationFailed);
      } else if (!run.keypair->window.accept(counter_of(datagram))) {
        drop(datagram, DropReason::kReplayed);
      } else {
        newest = &datagram;
        peer.rx_bytes += datagram.bytes.size();
        datagram.inner = datagram.bytes.subspan(kDataHeaderSize, datagram.bytes.size() - kMinDataMessageSize);
        datagram.verdict = datagram.inner.empty() ? Verdict::kKeepalive : Verdict::kDeliver;
        if (!datagram.inner.empty()) ++data_count;
      }
    }
    if (newest == nullptr) return;

    learn_path(peer, *newest->path);
    freed = peer.keypairs.received_with(*run.keypair, confirmed);
    if (confirmed) handshake_complete(peer, now);
    const auto& current = peer.keypairs.current();
    if (!peer.sent_lastminute_handshake && current && current->wants_rekey_on_receive(now.boot)) {
      peer.sent_lastminute_handshake = true;
      ask_for_handshake(peer, now);
    }
    peer.timers.any_authenticated_packet_received();
    peer.timers.any_authenticated_packet_traversal(now.boot);
    // Once per packet in the kernel; the second call of a batch says all that more would.
    for (std::size_t i = 0; i < std::min<std::size_t>(data_count, 2); ++i) peer.timers.data_received(now.boot);
    wake = peer.timers.earliest();
  }
  deadlines_.wake_by(peer, wake);
  release_indices(peer, freed);
  if (confirmed) send_staged(peer, now, aead, actions);
}

void Interface::check_inner(std::span<InboundRun> runs) {
  const std::shared_lock table(table_mutex_);
  for (InboundRun& run : runs) {
    for (InboundDatagram& datagram : run.datagrams) {
      if (datagram.verdict != Verdict::kDeliver) continue;
      const auto length = inner_length(datagram.inner);
      if (!length) {
        drop(datagram, DropReason::kMalformedInner);
        continue;
      }
      datagram.inner = datagram.inner.first(*length);
      const InnerAddress source = *inner_source(datagram.inner);
      if (allowed_ips_.lookup(source.family, source.address) != run.peer.get()) {
        drop(datagram, DropReason::kSourceNotAllowed);
        continue;
      }
      merge_outer_ecn(datagram.traffic_class, datagram.inner);
    }
  }
}

}  // namespace vpn::engine::protocol
