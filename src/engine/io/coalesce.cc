#include "engine/io/coalesce.h"

#include <algorithm>

#include "base/check.h"
#include "engine/io/checksum.h"
#include "engine/io/ip_header.h"

namespace vpn::engine::io {
namespace {

// How many of the latest groups a packet is compared with: flows that alternate within one batch.
constexpr std::size_t kSearchDepth = 8;
// What an IPv4 total length can say; an IPv6 super-packet stays below it too.
constexpr std::size_t kMaxSuperPacketBytes = 65535;
// Kernel include/linux/udp.h: UDP_MAX_SEGMENTS was 64 until Linux 6.9.
constexpr std::size_t kMaxUdpSegments = 64;
constexpr std::size_t kMaxTcpSegments = kMaxPieces - 1;  // and the header

bool is_v4(ByteView packet) {
  return packet[0] >> 4 == 4;
}
std::size_t ip_header_bytes(ByteView packet) {
  return is_v4(packet) ? kIpv4HeaderBytes : kIpv6HeaderBytes;
}
std::uint8_t protocol(ByteView packet) {
  return is_v4(packet) ? packet[9] : packet[6];
}

bool same_bytes(ByteView a, ByteView b, std::size_t offset, std::size_t size) {
  return std::memcmp(&a[offset], &b[offset], size) == 0;
}

struct Kind {
  std::size_t header_bytes = 0;  // 0: not mergeable
  bool closes = false;           // nothing may follow it in its group
};

// What a packet is, if it is a TCP segment or UDP datagram with payload, plain headers and nothing to say but its data.
Kind classify(ByteView packet, bool tcp, bool udp) {
  const std::size_t ip_bytes = ip_header_bytes(packet);
  if (packet.size() < ip_bytes + kUdpHeaderBytes) return {};
  if (is_v4(packet)) {
    const bool options = packet[0] != 0x45;
    const bool fragment = (load_be16(&packet[6]) & 0x3fff) != 0;
    if (options || fragment) return {};
  }
  const ByteView transport = packet.subspan(ip_bytes);
  if (udp && protocol(packet) == kProtocolUdp) {
    const bool whole = load_be16(&transport[4]) == transport.size();
    const bool checksummed = load_be16(&transport[kUdpChecksumOffset]) != 0;
    if (!whole || !checksummed || transport.size() == kUdpHeaderBytes) return {};
    return {ip_bytes + kUdpHeaderBytes, false};
  }
  if (tcp && protocol(packet) == kProtocolTcp && transport.size() > kTcpHeaderBytes) {
    const std::size_t tcp_bytes = (transport[12] >> 4) * 4u;
    if (tcp_bytes < kTcpHeaderBytes || tcp_bytes >= transport.size()) return {};
    const std::uint8_t flags = transport[kTcpFlagsOffset];
    if ((flags & ~kTcpPsh) != kTcpAck) return {};
    return {ip_bytes + tcp_bytes, (flags & kTcpPsh) != 0};
  }
  return {};
}

// Equal for packets of one flow, ports included where there are any. A collision only keeps two packets apart.
std::uint64_t flow_of(ByteView packet) {
  const std::size_t ip_bytes = ip_header_bytes(packet);
  std::uint64_t hash = protocol(packet);
  const auto mix = [&hash](std::uint64_t word) {
    hash = (hash ^ word) * 0x9e3779b97f4a7c15;
    hash ^= hash >> 32;
  };
  if (packet.size() >= ip_bytes + 4) mix(internal::load<std::uint32_t>(&packet[ip_bytes]));
  if (is_v4(packet)) {
    mix(internal::load<std::uint64_t>(&packet[12]));
  } else {
    for (std::size_t i = 8; i < 40; i += 8) mix(internal::load<std::uint64_t>(&packet[i]));
  }
  return hash;
}

// Whether the headers are the same in all that segmentation does not count up itself.
bool same_headers(ByteView first, ByteView packet, std::size_t header_bytes, std::size_t count) {
  std::size_t transport = kIpv6HeaderBytes;
  if (is_v4(first)) {
    transport = kIpv4HeaderBytes;
    if (!same_bytes(first, packet, 0, 2) || !same_bytes(first, packet, 6, 4) || !same_bytes(first, packet, 12, 8))
      return false;
    // With Don't Fragment the identification means nothing (RFC 6864); else it must be what re-segmenting would give.
    const bool atomic = (first[6] & 0x40) != 0;
    const auto expected = static_cast<std::uint16_t>(load_be16(&first[4]) + count);
    if (!atomic && load_be16(&packet[4]) != expected) return false;
  } else if (!same_bytes(first, packet, 0, 4) || !same_bytes(first, packet, 6, 34)) {
    return false;
  }
  if (!same_bytes(first, packet, transport, 4)) return false;  // ports
  if (protocol(first) == kProtocolUdp) return true;
  // Acknowledgement, header length, window, urgent pointer, options. The flags were looked at by classify().
  return same_bytes(first, packet, transport + 8, 5) && same_bytes(first, packet, transport + 14, 2) &&
         same_bytes(first, packet, transport + 18, header_bytes - transport - 18);
}

// Of a packet that classify() found mergeable. A wrong one is for its receiver to find.
bool checksums_hold(ByteView packet) {
  const std::size_t start = ip_header_bytes(packet);
  if (is_v4(packet) && fold_checksum(add_checksum(0, packet.first(start))) != 0xffff) return false;
  // The pseudo header's addresses stand right before the transport header, so one sum takes both: pseudo_header_sum()
  // beside it made an inward packet 9 % dearer (tests/callgrind).
  const std::size_t addresses_bytes = is_v4(packet) ? 8 : 32;
  const std::uint64_t sum = std::uint64_t{network_word(protocol(packet))} + network_word(packet.size() - start);
  return fold_checksum(add_checksum(sum, packet.subspan(start - addresses_bytes))) == 0xffff;
}

iovec piece(ByteView bytes) {
  return {const_cast<std::uint8_t*>(bytes.data()), bytes.size()};
}

}  // namespace

void Coalescer::begin(bool tcp, bool udp) {
  tcp_ = tcp;
  udp_ = udp;
  packets_.clear();
  groups_.clear();
  headers_.clear();
  pieces_.clear();
  writes_.clear();
}

void Coalescer::add(ByteView packet) {
  const Kind kind = classify(packet, tcp_, udp_);
  const std::uint64_t flow = flow_of(packet);
  const std::size_t depth = std::min(kSearchDepth, groups_.size());
  const auto latest = std::find_if(groups_.rbegin(), groups_.rbegin() + static_cast<std::ptrdiff_t>(depth),
                                   [flow](const Group& group) { return group.flow == flow; });
  // Only the flow's latest group may take it: joining an earlier one would overtake what lies between.
  const bool found = latest != groups_.rbegin() + static_cast<std::ptrdiff_t>(depth);
  if (found && kind.header_bytes != 0 && join(*latest, packet, kind.header_bytes, kind.closes)) return;

  packets_.push_back({packet});
  Group group{.first = packets_.size() - 1, .last = packets_.size() - 1};
  group.flow = flow;
  group.header_bytes = kind.header_bytes;
  group.segment_bytes = packet.size() - kind.header_bytes;
  group.payload_bytes = group.segment_bytes;
  group.open = kind.header_bytes != 0 && !kind.closes;
  groups_.push_back(group);
}

bool Coalescer::join(Group& group, ByteView packet, std::size_t header_bytes, bool closes) {
  const ByteView first = packets_[group.first].bytes;
  const std::size_t payload_bytes = packet.size() - header_bytes;
  if (!group.open || group.header_bytes != header_bytes || first[0] >> 4 != packet[0] >> 4) return false;
  if (protocol(first) != protocol(packet) || payload_bytes > group.segment_bytes) return false;
  if (header_bytes + group.payload_bytes + payload_bytes > kMaxSuperPacketBytes) return false;
  if (group.count == (protocol(first) == kProtocolUdp ? kMaxUdpSegments : kMaxTcpSegments)) return false;
  if (!same_headers(first, packet, header_bytes, group.count)) return false;
  if (protocol(first) == kProtocolTcp) {
    const std::size_t sequence = ip_header_bytes(first) + 4;
    const auto expected = load_be32(&first[sequence]) + static_cast<std::uint32_t>(group.payload_bytes);
    if (load_be32(&packet[sequence]) != expected) return false;
  }
  if (!group.checked) group.open = group.checked = checksums_hold(first);
  if (!group.open || !checksums_hold(packet)) return false;
  packets_.push_back({packet});
  packets_[group.last].next = packets_.size() - 1;
  group.last = packets_.size() - 1;
  ++group.count;
  group.payload_bytes += payload_bytes;
  group.open = !closes && payload_bytes == group.segment_bytes;
  return true;
}

std::span<const TunWrite> Coalescer::finish() {
  // What writes_ points to must not move while it grows.
  pieces_.reserve(packets_.size() + groups_.size());
  headers_.resize(groups_.size());
  for (std::size_t i = 0; i < groups_.size(); ++i) {
    if (groups_[i].count == 1) {
      finish_alone(groups_[i]);
    } else {
      finish_merged(groups_[i], headers_[i]);
    }
  }
  return writes_;
}

void Coalescer::finish_alone(const Group& group) {
  const ByteView packet = packets_[group.first].bytes;
  pieces_.push_back(piece(packet));
  writes_.push_back({{.checksum_valid = true}, {&pieces_.back(), 1}, packet.size()});
}

void Coalescer::finish_merged(const Group& group, Header& header) {
  const ByteView first = packets_[group.first].bytes;
  const bool tcp = protocol(first) == kProtocolTcp;
  const std::size_t size = group.header_bytes + group.payload_bytes;
  const std::size_t start = ip_header_bytes(first);
  CHECK(group.header_bytes <= header.size());
  std::copy_n(first.begin(), group.header_bytes, header.begin());

  if (is_v4(first)) {
    store_be16(&header[2], static_cast<std::uint16_t>(size));
    set_ipv4_header_checksum(MutableBytes(header).first(start));
  } else {
    store_be16(&header[4], static_cast<std::uint16_t>(size - start));
  }
  std::uint8_t* transport = &header[start];
  if (tcp) {
    // PSH, which only the last may have, is the super-packet's: the kernel leaves it on the last segment again.
    transport[kTcpFlagsOffset] = packets_[group.last].bytes[start + kTcpFlagsOffset];
  } else {
    store_be16(transport + 4, static_cast<std::uint16_t>(size - start));
  }
  const std::size_t checksum_offset = tcp ? kTcpChecksumOffset : kUdpChecksumOffset;
  const std::uint64_t pseudo_sum = pseudo_header_sum(first, protocol(first)) + network_word(size - start);
  store_checksum(transport + checksum_offset, fold_checksum(pseudo_sum));

  const std::size_t first_piece = pieces_.size();
  pieces_.push_back(piece(ByteView(header).first(group.header_bytes)));
  for (std::size_t i = group.first; i != kNone; i = packets_[i].next) {
    pieces_.push_back(piece(packets_[i].bytes.subspan(group.header_bytes)));
  }
  Offload offload{.checksum_partial = true};
  offload.segmentation = !tcp ? Segmentation::kUdp : is_v4(first) ? Segmentation::kTcpV4 : Segmentation::kTcpV6;
  offload.header_bytes = static_cast<std::uint16_t>(group.header_bytes);
  offload.segment_bytes = static_cast<std::uint16_t>(group.segment_bytes);
  offload.checksum_start = static_cast<std::uint16_t>(start);
  offload.checksum_offset = static_cast<std::uint16_t>(checksum_offset);
  writes_.push_back({offload, std::span(pieces_).subspan(first_piece), size});
}

}  // namespace vpn::engine::io
