// The Internet checksum (RFC 1071), in software.
//
// Sums are of 16-bit words in the machine's own byte order, which the one's complement sum allows as long as the result
// is stored in that order too; numbers that are not yet in memory enter as they would lie there (network_word).
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace vpn::engine::io {

/// Adds `bytes` to a running sum; an odd last byte counts as followed by a zero, so only the last piece may be odd.
std::uint64_t add_checksum(std::uint64_t sum, ByteView bytes);

/// Copies `from` to `to` and adds it to a running sum, in one pass over the bytes.
std::uint64_t copy_and_add_checksum(std::uint64_t sum, ByteView from, std::uint8_t* to);

/// A 16-bit number as the word it is on the wire.
inline std::uint16_t network_word(std::size_t value) {
  return internal::big(static_cast<std::uint16_t>(value));
}

/// The sum folded to 16 bits, not complemented: what a partial checksum's field holds.
std::uint16_t fold_checksum(std::uint64_t sum);

/// The checksum to store: the complement, with 0 written as 0xffff, which is the same number and not UDP's "none"
/// (RFC 768; kernel skb_checksum_help does so for every protocol).
std::uint16_t finish_checksum(std::uint64_t sum);

inline void store_checksum(std::uint8_t* to, std::uint16_t checksum) {
  internal::store(to, checksum);
}

/// The sum of the pseudo header (RFC 9293 section 3.1, RFC 8200 section 8.1) less the length: addresses and protocol of
/// an IPv4 or IPv6 packet, whose header must be whole.
std::uint64_t pseudo_header_sum(ByteView packet, std::uint8_t protocol);

/// Writes an IPv4 header's own checksum; `header` is exactly the header.
void set_ipv4_header_checksum(MutableBytes header);

}  // namespace vpn::engine::io
