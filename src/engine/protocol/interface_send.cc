// Inner packets towards peers (kernel send.c): route, count, seal, and what waits for a session.
#include "engine/protocol/interface.h"

#include <algorithm>

#include "engine/protocol/ecn.h"
#include "engine/protocol/ip_packet.h"

namespace vpn::engine::protocol {
namespace {

/// How long a packet is after padding: to 16 bytes, never beyond the MTU (row 29; kernel send.c:
/// calculate_skb_padding).
std::size_t padded_size(std::size_t size, std::size_t mtu) {
  const auto align = [](std::size_t n) { return (n + kPaddingMultiple - 1) / kPaddingMultiple * kPaddingMultiple; };
  if (mtu == 0) return align(size);
  // A packet above the MTU is padded as its last piece would be.
  const std::size_t last_unit = size > mtu ? size % mtu : size;
  return size - last_unit + std::min(mtu, align(last_unit));
}

void write_header(MutableBytes datagram, const Keypair& keypair, std::uint64_t counter) {
  DataHeader header;
  header.receiver_index = keypair.remote_index;
  header.counter = counter;
  std::memcpy(datagram.data(), &header, sizeof header);
}

std::size_t datagram_size(std::size_t inner_size, std::size_t mtu) {
  return kDataHeaderSize + padded_size(inner_size, mtu) + kTagSize;
}

void drop(OutboundPacket& packet, DropReason reason) {
  packet.verdict = OutboundPacket::Verdict::kDropped;
  packet.reason = reason;
}

}  // namespace

void Interface::send(std::span<OutboundPacket> packets, Moment now, crypto::Aead& aead, Actions& actions) {
  while (!packets.empty()) {
    const auto batch = packets.first(std::min(kBatchSize, packets.size()));
    packets = packets.subspan(batch.size());

    std::array<OutboundRun, kBatchSize> runs;
    std::array<crypto::SealJob, kBatchSize> jobs;
    const std::size_t run_count = route(batch, runs);
    std::size_t job_count = 0;
    for (OutboundRun& run : std::span(runs).first(run_count)) {
      job_count += prepare(run, now, std::span(jobs).subspan(job_count), actions);
    }
    aead.seal(std::span(jobs).first(job_count));
  }
}

std::size_t Interface::route(std::span<OutboundPacket> packets, std::span<OutboundRun> runs) {
  std::size_t run_count = 0;
  Peer* last = nullptr;
  const std::shared_lock table(table_mutex_);
  for (OutboundPacket& packet : packets) {
    const auto destination = inner_destination(packet.inner);
    Peer* peer = destination ? allowed_ips_.lookup(destination->family, destination->address) : nullptr;
    if (peer == nullptr) {
      drop(packet, destination ? DropReason::kNoPeer : DropReason::kMalformedInner);
    } else if (peer == last) {
      OutboundRun& run = runs[run_count - 1];
      run.packets = {run.packets.data(), run.packets.size() + 1};
    } else {
      runs[run_count++] = {peer->shared_from_this(), nullptr, {&packet, 1}};
    }
    last = peer;
  }
  return run_count;
}

std::size_t Interface::prepare(OutboundRun& run, Moment now, std::span<crypto::SealJob> jobs, Actions& actions) {
  Peer& peer = *run.peer;
  const std::size_t mtu = mtu_bytes_.load(std::memory_order_relaxed);
  std::uint64_t counter = 0;
  std::uint32_t path = 0;
  Instant wake = kNever;
  {
    const std::lock_guard lock(peer.mutex);
    if (!peer.path.remote || !up_.load(std::memory_order_relaxed)) {
      for (OutboundPacket& packet : run.packets) drop(packet, DropReason::kNoEndpoint);
      return 0;
    }
    run.keypair = sealing_keypair(peer, run.packets.size(), now);
    if (!run.keypair) {
      stage(peer, run.packets, now);
    } else {
      counter = run.keypair->next_counter;
      run.keypair->next_counter += run.packets.size();
      path = actions.add_path(peer.path);
      for (const OutboundPacket& packet : run.packets) peer.tx_bytes += datagram_size(packet.inner.size(), mtu);
      peer.timers.any_authenticated_packet_traversal(now.boot);
      peer.timers.any_authenticated_packet_sent();
      peer.timers.data_sent(now.boot);
      if (run.keypair->wants_rekey_on_send(now.boot)) ask_for_handshake(peer, now);
    }
    wake = peer.timers.earliest();
  }
  deadlines_.wake_by(peer, wake);
  if (!run.keypair) return 0;

  std::size_t job = 0;
  for (OutboundPacket& packet : run.packets) {
    const std::size_t size = packet.inner.size();
    packet.traffic_class = outer_traffic_class(packet.inner);
    packet.datagram = {packet.inner.data() - kDataHeaderSize, datagram_size(size, mtu)};
    packet.path = path;
    packet.verdict = OutboundPacket::Verdict::kSend;
    write_header(packet.datagram, *run.keypair, counter);
    const MutableBytes sealed = packet.datagram.subspan(kDataHeaderSize);
    std::fill(sealed.begin() + static_cast<std::ptrdiff_t>(size), sealed.end() - kTagSize, std::uint8_t{0});
    jobs[job++] = {&run.keypair->sending_key, counter++, sealed};
  }
  return job;
}

std::shared_ptr<Keypair> Interface::sealing_keypair(Peer& peer, std::size_t count, Moment now) {
  const std::shared_ptr<Keypair>& keypair = peer.keypairs.current();
  if (!keypair) return nullptr;
  if (!keypair->can_seal(count, now.boot)) {
    keypair->may_send = false;
    return nullptr;
  }
  return keypair;
}

void Interface::stage(Peer& peer, std::span<OutboundPacket> packets, Moment now) {
  for (OutboundPacket& packet : packets) {
    bool dropped_oldest = false;
    if (peer.staged.push(packet.inner, dropped_oldest)) {
      packet.verdict = OutboundPacket::Verdict::kStaged;
    } else {
      drop(packet, DropReason::kStagedFull);
    }
    if (dropped_oldest) count_drop(DropReason::kStagedFull);
  }
  ask_for_handshake(peer, now);
}

void Interface::ask_for_handshake(Peer& peer, Moment now) {
  peer.handshake_attempts = 0;
  if (peer.may_initiate(now.boot)) peer.timers.want_initiation(now.boot);
}

void Interface::send_keepalive(Peer& peer, Moment now, crypto::Aead& aead, Actions& actions) {
  {
    const std::lock_guard lock(peer.mutex);
    // The kernel calls a peer without an endpoint all the same, and gives up after 90 s; we have nobody to call, so an
    // idle gateway with 100,000 clients that never came stays asleep.
    if (!peer.path.remote || !up_) return;
    bool dropped_oldest = false;
    if (peer.staged.empty()) peer.staged.push({}, dropped_oldest);
  }
  send_staged(peer, now, aead, actions);
}

void Interface::send_staged(Peer& peer, Moment now, crypto::Aead& aead, Actions& actions) {
  const std::size_t mtu = mtu_bytes_.load(std::memory_order_relaxed);
  std::deque<std::vector<std::uint8_t>> packets;
  std::shared_ptr<Keypair> keypair;
  std::uint64_t counter = 0;
  Path path;
  Instant wake = kNever;
  {
    const std::lock_guard lock(peer.mutex);
    if (peer.staged.empty() || !peer.path.remote || !up_.load(std::memory_order_relaxed)) return;
    keypair = sealing_keypair(peer, peer.staged.size(), now);
    if (!keypair) {
      ask_for_handshake(peer, now);
    } else {
      packets = peer.staged.take();
      counter = keypair->next_counter;
      keypair->next_counter += packets.size();
      path = peer.path;
      for (const auto& packet : packets) peer.tx_bytes += datagram_size(packet.size(), mtu);
      peer.timers.any_authenticated_packet_traversal(now.boot);
      peer.timers.any_authenticated_packet_sent();
      const bool has_data =
          std::any_of(packets.begin(), packets.end(), [](const auto& packet) { return !packet.empty(); });
      if (has_data) peer.timers.data_sent(now.boot);
      if (keypair->wants_rekey_on_send(now.boot)) ask_for_handshake(peer, now);
    }
    wake = peer.timers.earliest();
  }
  deadlines_.wake_by(peer, wake);

  for (const auto& packet : packets) {
    const MutableBytes datagram =
        actions.add_datagram(path, outer_traffic_class(packet), datagram_size(packet.size(), mtu));
    write_header(datagram, *keypair, counter);
    std::copy(packet.begin(), packet.end(), datagram.begin() + kDataHeaderSize);
    const crypto::SealJob job{&keypair->sending_key, counter++, datagram.subspan(kDataHeaderSize)};
    aead.seal({&job, 1});
  }
}

}  // namespace vpn::engine::protocol
