// What the core must know of an inner packet: its addresses and its length. Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "base/bytes.h"
#include "base/ip.h"

namespace vpn::engine::protocol {

/// An address inside a packet: 4 or 16 bytes by family, valid as long as the packet.
struct InnerAddress {
  IpFamily family;
  const std::uint8_t* address;
};

constexpr std::size_t kIpv4HeaderSize = 20;
constexpr std::size_t kIpv6HeaderSize = 40;

/// The family by the version field, when the packet holds at least that family's fixed header.
inline IpFamily inner_family(ByteView packet) {
  const unsigned version = packet.empty() ? 0 : packet[0] >> 4;
  if (version == 4 && packet.size() >= kIpv4HeaderSize) return IpFamily::kV4;
  if (version == 6 && packet.size() >= kIpv6HeaderSize) return IpFamily::kV6;
  return IpFamily::kNone;
}

/// Nothing when it is no IP packet.
inline std::optional<InnerAddress> inner_destination(ByteView packet) {
  switch (inner_family(packet)) {
    case IpFamily::kV4:
      return InnerAddress{IpFamily::kV4, packet.data() + 16};
    case IpFamily::kV6:
      return InnerAddress{IpFamily::kV6, packet.data() + 24};
    case IpFamily::kNone:
      break;
  }
  return std::nullopt;
}

/// Nothing when it is no IP packet.
inline std::optional<InnerAddress> inner_source(ByteView packet) {
  switch (inner_family(packet)) {
    case IpFamily::kV4:
      return InnerAddress{IpFamily::kV4, packet.data() + 12};
    case IpFamily::kV6:
      return InnerAddress{IpFamily::kV6, packet.data() + 8};
    case IpFamily::kNone:
      break;
  }
  return std::nullopt;
}

/// The packet's length by its own header, at most packet.size(); nothing when the header claims more than there is,
/// less than a header, or is no IP header (row 28; kernel receive.c: wg_packet_consume_data_done).
inline std::optional<std::size_t> inner_length(ByteView packet) {
  std::size_t length = 0;
  switch (inner_family(packet)) {
    case IpFamily::kV4:
      length = load_be16(packet.data() + 2);
      if (length < kIpv4HeaderSize) return std::nullopt;
      break;
    case IpFamily::kV6:
      length = kIpv6HeaderSize + load_be16(packet.data() + 4);
      break;
    case IpFamily::kNone:
      return std::nullopt;
  }
  if (length > packet.size()) return std::nullopt;
  return length;
}

}  // namespace vpn::engine::protocol
