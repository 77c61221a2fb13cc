// ICMP "unreachable" to the sender of a packet that has nowhere to go: no peer holds its destination, or the peer's
// address is unknown (kernel device.c: wg_xmit sends host or address unreachable for both).
//
// Pure but for the limiter, which belongs to one worker.
#pragma once

#include <array>
#include <cstddef>

#include "base/bytes.h"
#include "base/clock.h"

namespace vpn::engine {

/// RFC 4443 section 2.4 (c): no more than the minimum IPv6 MTU. ICMPv4 stays within 576 (RFC 1812 section 4.3.2.3).
constexpr std::size_t kMaxIcmpBytes = 1280;

/// Writes the answer to `dropped`, a packet as it came out of the TUN device, and returns its size; 0 when none may be
/// sent (RFC 1122 section 3.2.2, RFC 4443 section 2.4 (e)): about an ICMP error, a later fragment, to or from anything
/// but a single host, or a packet that is not whole. The answer seems to come from the destination: with one of our own
/// addresses as its source the kernel would take it for a martian.
std::size_t build_unreachable(ByteView dropped, std::array<std::uint8_t, kMaxIcmpBytes>& out);

/// A token bucket over all senders (RFC 4443 section 2.4 (f); the kernel's net.ipv4.icmp_msgs_per_sec and _burst are of
/// this kind).
class IcmpLimiter {
 public:
  static constexpr int kPerSecond = 100;
  static constexpr int kBurst = 50;

  /// True when one more may be sent now.
  bool take(Instant now);

 private:
  Instant full_at_{};  ///< when the bucket will have kBurst tokens again
};

}  // namespace vpn::engine
