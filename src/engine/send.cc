#include "engine/send.h"

namespace vpn::engine {
namespace {

using protocol::DropReason;
using protocol::kSealHeadroom;
using protocol::kSealTailroom;
using protocol::OutboundPacket;

// Two super-packets in segments of the usual size.
constexpr std::size_t kSegmentArenaBytes = 160 * 1024;
// A segment begins on a cache line.
constexpr std::size_t kAlignment = 64;

}  // namespace

Sender::Sender(io::Tun& tun, protocol::Interface& interface, crypto::Aead& aead, Counters& counters)
    : tun_(tun),
      interface_(interface),
      aead_(aead),
      counters_(counters),
      read_(kSealHeadroom, kSealTailroom),
      segments_(kSegmentArenaBytes) {
  packets_.reserve(kMaxBatch);
}

bool Sender::run(io::Udp* sockets, protocol::Moment now) {
  read_.clear();
  const bool alive = tun_.read(read_);
  for (const io::TunPacket& packet : read_.packets()) {
    counters_.add(Counter::kTunBytesRead, packet.bytes.size());
    if (packet.offload.segmentation != io::Segmentation::kNone) {
      add_segments(packet, sockets, now);
    } else if (packet.offload.checksum_partial && !io::complete_checksum(packet.bytes, packet.offload)) {
      counters_.add(Counter::kTunMalformed);
    } else {
      if (packets_.size() == kMaxBatch) flush(sockets, now);
      packets_.push_back({.inner = packet.bytes, .datagram = {}});
    }
  }
  flush(sockets, now);
  return alive;
}

void Sender::add_segments(const io::TunPacket& packet, io::Udp* sockets, protocol::Moment now) {
  auto segmenter = io::Segmenter::open(packet.bytes, packet.offload);
  if (!segmenter) {
    counters_.add(Counter::kTunMalformed);
    return;
  }
  const bool udp = packet.offload.segmentation == io::Segmentation::kUdp;
  counters_.add(udp ? Counter::kTunUdpSuperPacketsRead : Counter::kTunTcpSuperPacketsRead);
  for (std::size_t size = segmenter->next_size(); size > 0; size = segmenter->next_size()) {
    if (packets_.size() == kMaxBatch || segment_room(size).empty()) flush(sockets, now);
    const MutableBytes segment = segment_room(size);
    segmenter->write_next(segment.data());
    packets_.push_back({.inner = segment, .datagram = {}});
    segments_used_ = static_cast<std::size_t>(segment.data() - segments_.data()) + size + kSealTailroom;
  }
}

// Where a segment of `size` bytes may go; empty when the arena is full, never when it is unused.
MutableBytes Sender::segment_room(std::size_t size) {
  const std::size_t start = (segments_used_ + kSealHeadroom + kAlignment - 1) / kAlignment * kAlignment;
  if (start + size + kSealTailroom > segments_.size()) return {};
  return MutableBytes(segments_).subspan(start, size);
}

void Sender::flush(io::Udp* sockets, protocol::Moment now) {
  if (packets_.empty()) return;
  counters_.add(Counter::kTunPacketsRead, packets_.size());
  actions_.clear();
  interface_.send(packets_, now, aead_, actions_);
  outbox_.add(actions_);
  for (const OutboundPacket& packet : packets_) {
    if (packet.verdict == OutboundPacket::Verdict::kSend) {
      outbox_.add(packet, actions_);
    } else if (packet.verdict == OutboundPacket::Verdict::kDropped) {
      counters_.add_drop(packet.reason);
      const bool nowhere = packet.reason == DropReason::kNoPeer || packet.reason == DropReason::kNoEndpoint;
      if (nowhere) answer_unreachable(packet.inner, now.boot);
    }
  }
  outbox_.send(sockets, counters_);
  packets_.clear();
  segments_used_ = 0;
}

void Sender::answer_unreachable(ByteView dropped, Instant now) {
  std::array<std::uint8_t, kMaxIcmpBytes> answer;
  const std::size_t size = build_unreachable(dropped, answer);
  if (size == 0 || !icmp_limiter_.take(now)) return;
  const iovec piece{answer.data(), size};
  const io::TunWrite write{{.checksum_valid = true}, {&piece, 1}, size};
  counters_.add(Counter::kIcmpSent);
  counters_.add(tun_.write({&write, 1}));
}

}  // namespace vpn::engine
