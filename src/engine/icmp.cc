#include "engine/icmp.h"

#include <algorithm>
#include <chrono>

#include "engine/io/checksum.h"
#include "engine/io/ip_header.h"

namespace vpn::engine {
namespace {

constexpr std::uint8_t kHopLimit = 64;
constexpr std::size_t kIcmpHeaderBytes = 8;  // type, code, checksum, 4 unused bytes

// RFC 792, RFC 1122 section 3.2.2.1.
constexpr std::uint8_t kProtocolIcmp = 1;
constexpr std::uint8_t kV4DestinationUnreachable = 3;
constexpr std::uint8_t kV4HostUnreachable = 1;
constexpr std::size_t kMaxV4AnswerBytes = 576;

// RFC 4443 sections 2.1, 3.1; RFC 8200 section 4.
constexpr std::uint8_t kProtocolIcmpV6 = 58;
constexpr std::uint8_t kV6DestinationUnreachable = 1;
constexpr std::uint8_t kV6AddressUnreachable = 3;
constexpr std::uint8_t kV6FirstInformational = 128;
constexpr std::uint8_t kHopByHop = 0;
constexpr std::uint8_t kRouting = 43;
constexpr std::uint8_t kFragment = 44;
constexpr std::uint8_t kDestinationOptions = 60;

// A source or destination that stands for one host: neither 0/8, loopback, multicast, reserved nor broadcast.
bool is_v4_host(const std::uint8_t* address) {
  return address[0] != 0 && address[0] != 127 && address[0] < 224;
}

bool is_v6_host(const std::uint8_t* address) {
  static constexpr std::array<std::uint8_t, 15> kZeros{};
  const bool unspecified_or_loopback = std::equal(kZeros.begin(), kZeros.end(), address) && address[15] <= 1;
  return address[0] != 0xff && !unspecified_or_loopback;
}

bool is_v4_icmp_error(ByteView packet, std::size_t header_bytes) {
  if (packet[9] != kProtocolIcmp || packet.size() <= header_bytes) return packet[9] == kProtocolIcmp;
  switch (packet[header_bytes]) {
    case 3:   // destination unreachable
    case 4:   // source quench
    case 5:   // redirect
    case 11:  // time exceeded
    case 12:  // parameter problem
      return true;
    default:
      return false;
  }
}

// Whether RFC 4443 section 2.4 (e) forbids an answer for what the packet carries. Walks the extension headers; one that
// is not whole might hide an error, so it counts as one.
bool v6_payload_forbids(ByteView packet) {
  std::uint8_t next = packet[6];
  for (std::size_t at = io::kIpv6HeaderBytes;;) {
    if (next == kProtocolIcmpV6) return at >= packet.size() || packet[at] < kV6FirstInformational;
    const bool extension = next == kHopByHop || next == kRouting || next == kFragment || next == kDestinationOptions;
    if (!extension) return false;
    if (at + 8 > packet.size()) return true;
    if (next == kFragment && (load_be16(&packet[at + 2]) & 0xfff8) != 0) return true;
    const std::size_t size = next == kFragment ? 8 : (packet[at + 1] + 1u) * 8;
    next = packet[at];
    at += size;
  }
}

std::size_t build_v4(ByteView dropped, std::array<std::uint8_t, kMaxIcmpBytes>& out) {
  if (dropped.size() < io::kIpv4HeaderBytes) return 0;
  const std::size_t header_bytes = (dropped[0] & 0xfu) * 4;
  if (header_bytes < io::kIpv4HeaderBytes || header_bytes > dropped.size()) return 0;
  const bool later_fragment = (load_be16(&dropped[6]) & 0x1fff) != 0;
  if (later_fragment || !is_v4_host(&dropped[12]) || !is_v4_host(&dropped[16])) return 0;
  if (is_v4_icmp_error(dropped, header_bytes)) return 0;

  constexpr std::size_t kOverhead = io::kIpv4HeaderBytes + kIcmpHeaderBytes;
  const std::size_t quoted = std::min(dropped.size(), kMaxV4AnswerBytes - kOverhead);
  const std::size_t size = kOverhead + quoted;
  std::fill_n(out.begin(), kOverhead, std::uint8_t{0});
  out[0] = 0x45;
  out[1] = 0xc0;  // internetwork control, as the kernel's own ICMP errors (RFC 1812 section 4.3.2.5)
  store_be16(&out[2], static_cast<std::uint16_t>(size));
  out[8] = kHopLimit;
  out[9] = kProtocolIcmp;
  std::copy_n(&dropped[16], 4, &out[12]);
  std::copy_n(&dropped[12], 4, &out[16]);
  io::set_ipv4_header_checksum(MutableBytes(out).first(io::kIpv4HeaderBytes));

  const MutableBytes icmp = MutableBytes(out).subspan(io::kIpv4HeaderBytes, kIcmpHeaderBytes + quoted);
  icmp[0] = kV4DestinationUnreachable;
  icmp[1] = kV4HostUnreachable;
  std::copy_n(dropped.begin(), quoted, icmp.begin() + kIcmpHeaderBytes);
  io::store_checksum(&icmp[2], io::finish_checksum(io::add_checksum(0, icmp)));
  return size;
}

std::size_t build_v6(ByteView dropped, std::array<std::uint8_t, kMaxIcmpBytes>& out) {
  if (dropped.size() < io::kIpv6HeaderBytes) return 0;
  if (!is_v6_host(&dropped[8]) || !is_v6_host(&dropped[24]) || v6_payload_forbids(dropped)) return 0;

  constexpr std::size_t kOverhead = io::kIpv6HeaderBytes + kIcmpHeaderBytes;
  const std::size_t quoted = std::min(dropped.size(), kMaxIcmpBytes - kOverhead);
  const std::size_t payload_bytes = kIcmpHeaderBytes + quoted;
  std::fill_n(out.begin(), kOverhead, std::uint8_t{0});
  out[0] = 0x60;
  store_be16(&out[4], static_cast<std::uint16_t>(payload_bytes));
  out[6] = kProtocolIcmpV6;
  out[7] = kHopLimit;
  std::copy_n(&dropped[24], 16, &out[8]);
  std::copy_n(&dropped[8], 16, &out[24]);

  const MutableBytes icmp = MutableBytes(out).subspan(io::kIpv6HeaderBytes, payload_bytes);
  icmp[0] = kV6DestinationUnreachable;
  icmp[1] = kV6AddressUnreachable;
  std::copy_n(dropped.begin(), quoted, icmp.begin() + kIcmpHeaderBytes);
  const std::uint64_t pseudo_sum = io::pseudo_header_sum(out, kProtocolIcmpV6) + io::network_word(payload_bytes);
  io::store_checksum(&icmp[2], io::finish_checksum(io::add_checksum(pseudo_sum, icmp)));
  return io::kIpv6HeaderBytes + payload_bytes;
}

}  // namespace

std::size_t build_unreachable(ByteView dropped, std::array<std::uint8_t, kMaxIcmpBytes>& out) {
  if (dropped.empty()) return 0;
  switch (dropped[0] >> 4) {
    case 4:
      return build_v4(dropped, out);
    case 6:
      return build_v6(dropped, out);
    default:
      return 0;
  }
}

bool IcmpLimiter::take(Instant now) {
  constexpr auto kInterval = std::chrono::nanoseconds(std::chrono::seconds(1)) / kPerSecond;
  const Instant base = std::max(full_at_, now);
  if (base - now > (kBurst - 1) * kInterval) return false;
  full_at_ = base + kInterval;
  return true;
}

}  // namespace vpn::engine
