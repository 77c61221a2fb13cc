#include "engine/protocol/ecn.h"

namespace vpn::engine::protocol {
namespace {

// Codepoints, RFC 3168 section 5.
constexpr unsigned kEcnMask = 3;
constexpr unsigned kNotEct = 0;
constexpr unsigned kEct1 = 1;
constexpr unsigned kEct0 = 2;
constexpr unsigned kCe = 3;

constexpr std::size_t kIpv4ChecksumOffset = 10;

unsigned version(ByteView packet) {
  return packet.size() < 2 ? 0u : packet[0] >> 4u;
}

/// Of a packet whose version is 4 or 6. The IPv6 traffic class lies across the first two bytes.
unsigned ecn(ByteView packet) {
  return (version(packet) == 4 ? packet[1] : packet[1] >> 4u) & kEcnMask;
}

/// RFC 6040 figure 4.
unsigned merged(unsigned outer, unsigned inner) {
  if (inner != kNotEct && outer == kCe) return kCe;
  return inner == kEct0 && outer == kEct1 ? kEct1 : inner;
}

std::uint8_t with_ecn(std::uint8_t byte, unsigned codepoint, unsigned shift) {
  return static_cast<std::uint8_t>((byte & ~(kEcnMask << shift)) | codepoint << shift);
}

/// Updates the checksum for the changed first word of the header (RFC 1624, equation 3).
void set_ipv4_ecn(MutableBytes packet, unsigned codepoint) {
  const std::uint16_t before = load_be16(packet.data());
  packet[1] = with_ecn(packet[1], codepoint, 0);
  const std::uint16_t after = load_be16(packet.data());
  std::uint8_t* const field = packet.data() + kIpv4ChecksumOffset;
  std::uint32_t sum = static_cast<std::uint16_t>(~load_be16(field)) + static_cast<std::uint16_t>(~before) + 0u + after;
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  store_be16(field, static_cast<std::uint16_t>(~sum));
}

}  // namespace

std::uint8_t outer_traffic_class(ByteView inner) {
  if (version(inner) != 4 && version(inner) != 6) return 0;
  const unsigned codepoint = ecn(inner);
  return static_cast<std::uint8_t>(codepoint == kCe ? kEct0 : codepoint);
}

void merge_outer_ecn(std::uint8_t outer_traffic_class, MutableBytes inner) {
  const unsigned before = ecn(inner);
  const unsigned after = merged(outer_traffic_class & kEcnMask, before);
  if (after == before) return;
  if (version(inner) == 4) {
    set_ipv4_ecn(inner, after);
  } else {
    inner[1] = with_ecn(inner[1], after, 4);
  }
}

}  // namespace vpn::engine::protocol
