// TCP and UDP packets for tests, whole and with right checksums.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/ip.h"
#include "engine/io/checksum.h"
#include "engine/io/ip_header.h"
#include "engine/io/segment.h"
#include "engine/io/tun.h"

namespace vpn::engine::io::test {

using Bytes = std::vector<std::uint8_t>;

struct PacketSpec {
  std::string source = "10.0.0.1";
  std::string destination = "10.0.0.2";
  std::uint8_t protocol = kProtocolTcp;
  std::uint16_t source_port = 1000;
  std::uint16_t destination_port = 2000;
  std::uint16_t identification = 7;
  bool dont_fragment = true;
  std::uint8_t traffic_class = 0;
  std::uint32_t sequence = 1'000'000;
  std::uint32_t acknowledgement = 5;
  std::uint8_t flags = kTcpAck;
  std::size_t option_bytes = 12;    // of TCP; a multiple of 4
  std::size_t extension_bytes = 0;  // IPv4 options (a multiple of 4) or an IPv6 extension header (of 8)
  std::uint8_t extension = 60;      // which: destination options
  std::size_t payload_bytes = 100;
  std::uint8_t fill = 1;  // the payload counts up from here
};

inline bool is_transport(std::uint8_t protocol) {
  return protocol == kProtocolTcp || protocol == kProtocolUdp;
}
/// Hop-by-hop options, routing, fragment, destination options (RFC 8200, section 4.1), mobility (RFC 6275).
inline bool is_extension(std::uint8_t next_header) {
  return next_header == 0 || next_header == 43 || next_header == 44 || next_header == 60 || next_header == 135;
}
/// The IP header with its options, or with its extension header where it has one.
inline std::size_t ip_bytes_of(ByteView packet) {
  if (packet[0] >> 4 == 4) return (packet[0] & 0xfu) * 4;
  return kIpv6HeaderBytes + (is_extension(packet[6]) ? (packet[kIpv6HeaderBytes + 1] + 1u) * 8 : 0);
}
inline std::uint8_t protocol_of(ByteView packet) {
  if (packet[0] >> 4 == 4) return packet[9];
  return is_extension(packet[6]) ? packet[kIpv6HeaderBytes] : packet[6];
}

inline void set_transport_checksum(Bytes& packet) {
  const std::size_t start = ip_bytes_of(packet);
  const std::size_t field = start + (protocol_of(packet) == kProtocolTcp ? kTcpChecksumOffset : kUdpChecksumOffset);
  store_checksum(&packet[field], 0);
  const std::uint64_t pseudo = pseudo_header_sum(packet, protocol_of(packet)) + network_word(packet.size() - start);
  store_checksum(&packet[field], finish_checksum(add_checksum(pseudo, ByteView(packet).subspan(start))));
}

inline Bytes make_packet(const PacketSpec& spec) {
  const IpAddress source = *IpAddress::parse(spec.source);
  const IpAddress destination = *IpAddress::parse(spec.destination);
  const bool tcp = spec.protocol == kProtocolTcp;
  const std::size_t ip_bytes = (source.is_v4() ? kIpv4HeaderBytes : kIpv6HeaderBytes) + spec.extension_bytes;
  const std::size_t transport_bytes = tcp ? kTcpHeaderBytes + spec.option_bytes : kUdpHeaderBytes;
  Bytes packet(ip_bytes + transport_bytes + spec.payload_bytes);
  const auto size = static_cast<std::uint16_t>(packet.size());
  if (source.is_v4()) {
    packet[0] = static_cast<std::uint8_t>(0x40 | ip_bytes / 4);
    packet[1] = spec.traffic_class;
    store_be16(&packet[2], size);
    store_be16(&packet[4], spec.identification);
    packet[6] = spec.dont_fragment ? 0x40 : 0;
    packet[8] = 64;
    packet[9] = spec.protocol;
    std::copy_n(source.bytes().begin(), 4, &packet[12]);
    std::copy_n(destination.bytes().begin(), 4, &packet[16]);
    std::fill_n(&packet[kIpv4HeaderBytes], spec.extension_bytes, std::uint8_t{1});  // no operation
    set_ipv4_header_checksum(MutableBytes(packet).first(ip_bytes));
  } else {
    packet[0] = static_cast<std::uint8_t>(0x60 | spec.traffic_class >> 4);
    packet[1] = static_cast<std::uint8_t>(spec.traffic_class << 4);
    store_be16(&packet[4], static_cast<std::uint16_t>(size - kIpv6HeaderBytes));
    packet[6] = spec.extension_bytes > 0 ? spec.extension : spec.protocol;
    packet[7] = 64;
    std::copy_n(source.bytes().begin(), 16, &packet[8]);
    std::copy_n(destination.bytes().begin(), 16, &packet[24]);
    if (spec.extension_bytes > 0) {
      packet[kIpv6HeaderBytes] = spec.protocol;
      packet[kIpv6HeaderBytes + 1] = static_cast<std::uint8_t>(spec.extension_bytes / 8 - 1);
      packet[kIpv6HeaderBytes + 2] = 1;  // of options: padding
      packet[kIpv6HeaderBytes + 3] = static_cast<std::uint8_t>(spec.extension_bytes - 4);
    }
  }
  std::uint8_t* transport = &packet[ip_bytes];
  store_be16(transport, spec.source_port);
  store_be16(transport + 2, spec.destination_port);
  if (tcp) {
    store_be32(transport + 4, spec.sequence);
    store_be32(transport + 8, spec.acknowledgement);
    transport[12] = static_cast<std::uint8_t>(transport_bytes / 4 << 4);
    transport[13] = spec.flags;
    store_be16(transport + 14, 500);
    std::fill_n(transport + kTcpHeaderBytes, spec.option_bytes, std::uint8_t{1});
  } else {
    store_be16(transport + 4, static_cast<std::uint16_t>(size - ip_bytes));
  }
  for (std::size_t i = 0; i < spec.payload_bytes; ++i) {
    transport[transport_bytes + i] = static_cast<std::uint8_t>(spec.fill + i);
  }
  set_transport_checksum(packet);
  return packet;
}

/// Both checksums, of a TCP or UDP packet that has them.
inline bool checksums_hold(const Bytes& packet) {
  const std::size_t start = ip_bytes_of(packet);
  const bool header = packet[0] >> 4 == 6 || fold_checksum(add_checksum(0, ByteView(packet).first(start))) == 0xffff;
  const std::uint64_t pseudo = pseudo_header_sum(packet, protocol_of(packet)) + network_word(packet.size() - start);
  return header && fold_checksum(add_checksum(pseudo, ByteView(packet).subspan(start))) == 0xffff;
}

/// The pieces of a write, together.
inline Bytes gather(const TunWrite& write) {
  Bytes packet;
  for (const iovec& piece : write.pieces) {
    const auto* bytes = static_cast<const std::uint8_t*>(piece.iov_base);
    packet.insert(packet.end(), bytes, bytes + piece.iov_len);
  }
  EXPECT_EQ(packet.size(), write.size);
  return packet;
}

/// The packets that a packet or super-packet stands for.
inline std::vector<Bytes> expand(const Bytes& packet, const Offload& offload) {
  if (offload.segmentation == Segmentation::kNone) return {packet};
  auto segmenter = Segmenter::open(packet, offload);
  EXPECT_TRUE(segmenter);
  std::vector<Bytes> packets;
  while (segmenter && segmenter->next_size() > 0) {
    packets.emplace_back(segmenter->next_size());
    segmenter->write_next(packets.back().data());
  }
  return packets;
}

/// A super-packet as a sender's kernel hands it over: the packet `spec` describes, its checksum partial.
inline Bytes make_super_packet(const PacketSpec& spec, std::uint16_t segment_bytes, Offload& offload) {
  Bytes packet = make_packet(spec);
  const bool tcp = spec.protocol == kProtocolTcp;
  const std::size_t start = ip_bytes_of(packet);
  offload = {.segmentation = !tcp                  ? Segmentation::kUdp
                             : packet[0] >> 4 == 4 ? Segmentation::kTcpV4
                                                   : Segmentation::kTcpV6,
             .checksum_partial = true,
             .segment_bytes = segment_bytes,
             .checksum_start = static_cast<std::uint16_t>(start),
             .checksum_offset = static_cast<std::uint16_t>(tcp ? kTcpChecksumOffset : kUdpChecksumOffset)};
  const std::uint64_t pseudo = pseudo_header_sum(packet, spec.protocol) + network_word(packet.size() - start);
  store_checksum(&packet[start + offload.checksum_offset], fold_checksum(pseudo));
  return packet;
}

}  // namespace vpn::engine::io::test
