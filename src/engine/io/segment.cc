#include "engine/io/segment.h"

#include <algorithm>

#include "base/check.h"
#include "engine/io/checksum.h"
#include "engine/io/ip_header.h"

namespace vpn::engine::io {

// The pseudo header's sum is what the partial checksum holds, less the length (kernel tcp_gso_segment,
// __udp_gso_segment). Made from the IPv6 header it would be wrong behind a routing header, where the destination is
// another one's.
Segmenter::Segmenter(ByteView packet, const Offload& offload, std::size_t header_bytes)
    : header_(packet.first(header_bytes)),
      payload_(packet.subspan(header_bytes)),
      segment_bytes_(offload.segment_bytes),
      transport_start_(offload.checksum_start),
      checksum_offset_(offload.checksum_offset),
      tcp_(offload.segmentation != Segmentation::kUdp),
      pseudo_sum_(internal::load<std::uint16_t>(&packet[transport_start_ + checksum_offset_]) +
                  (0xffffu - network_word(packet.size() - transport_start_))) {}

std::optional<Segmenter> Segmenter::open(ByteView packet, const Offload& offload) {
  if (packet.size() < kIpv4HeaderBytes || offload.segment_bytes == 0 || !offload.checksum_partial) return std::nullopt;
  const bool v4 = packet[0] >> 4 == 4;
  if (!v4 && packet[0] >> 4 != 6) return std::nullopt;
  if (offload.segmentation == (v4 ? Segmentation::kTcpV6 : Segmentation::kTcpV4)) return std::nullopt;
  const std::size_t ip_header_bytes = v4 ? (packet[0] & 0xfu) * 4 : kIpv6HeaderBytes;
  const std::size_t start = offload.checksum_start;  // behind an IPv6 extension header, where there is one
  if (ip_header_bytes < kIpv4HeaderBytes || start < ip_header_bytes) return std::nullopt;

  // header_bytes of what is read is a hint about linear memory (kernel: skb_headlen), so the headers speak for
  // themselves.
  const bool tcp = offload.segmentation != Segmentation::kUdp;
  if (packet.size() < start + (tcp ? kTcpHeaderBytes : kUdpHeaderBytes)) return std::nullopt;
  if (offload.checksum_offset != (tcp ? kTcpChecksumOffset : kUdpChecksumOffset)) return std::nullopt;
  const std::size_t transport_bytes = tcp ? (packet[start + 12] >> 4) * 4u : kUdpHeaderBytes;
  if (tcp && transport_bytes < kTcpHeaderBytes) return std::nullopt;
  if (packet.size() <= start + transport_bytes) return std::nullopt;
  return Segmenter(packet, offload, start + transport_bytes);
}

std::size_t Segmenter::next_size() const {
  const std::size_t left = payload_.size() - written_;
  return left == 0 ? 0 : header_.size() + std::min(left, segment_bytes_);
}

void Segmenter::write_next(std::uint8_t* to) {
  const std::size_t size = next_size();
  CHECK(size > 0);
  const ByteView payload = payload_.subspan(written_, size - header_.size());
  const bool last = written_ + payload.size() == payload_.size();

  std::copy(header_.begin(), header_.end(), to);
  write_ip_header(to, size);
  std::uint8_t* transport = to + transport_start_;
  const std::size_t transport_bytes = size - transport_start_;
  if (tcp_) {
    write_tcp_fields(transport, last);
  } else {
    store_be16(transport + 4, static_cast<std::uint16_t>(transport_bytes));
  }
  store_checksum(transport + checksum_offset_, 0);
  std::uint64_t sum = pseudo_sum_ + network_word(transport_bytes);
  sum = add_checksum(sum, {transport, header_.size() - transport_start_});
  sum = copy_and_add_checksum(sum, payload, to + header_.size());
  store_checksum(transport + checksum_offset_, finish_checksum(sum));

  written_ += payload.size();
  ++index_;
}

void Segmenter::write_ip_header(std::uint8_t* to, std::size_t packet_bytes) const {
  if (header_[0] >> 4 != 4) {
    store_be16(to + 4, static_cast<std::uint16_t>(packet_bytes - kIpv6HeaderBytes));
    return;
  }
  store_be16(to + 2, static_cast<std::uint16_t>(packet_bytes));
  store_be16(to + 4, static_cast<std::uint16_t>(load_be16(to + 4) + index_));
  set_ipv4_header_checksum({to, (header_[0] & 0xfu) * 4});
}

void Segmenter::write_tcp_fields(std::uint8_t* tcp, bool last) const {
  store_be32(tcp + 4, load_be32(tcp + 4) + static_cast<std::uint32_t>(written_));
  std::uint8_t& flags = tcp[kTcpFlagsOffset];
  if (!last) flags &= static_cast<std::uint8_t>(~(kTcpFin | kTcpPsh));
  if (index_ > 0) flags &= static_cast<std::uint8_t>(~kTcpCwr);  // RFC 3168 section 6.1.2: once per reduction
}

bool complete_checksum(MutableBytes packet, const Offload& offload) {
  const std::size_t start = offload.checksum_start;
  const std::size_t field = start + offload.checksum_offset;
  if (field + 2 > packet.size()) return false;
  // The field's present value, the pseudo header's sum, is part of what is summed.
  store_checksum(&packet[field], finish_checksum(add_checksum(0, packet.subspan(start))));
  return true;
}

}  // namespace vpn::engine::io
