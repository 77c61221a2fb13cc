// TAI64N time stamps (WireGuard paper, section 5.1; kernel noise.c: tai64n_now): 12 bytes that sort as time does.
#pragma once

#include <array>
#include <compare>
#include <cstdint>

#include "base/clock.h"

namespace vpn::engine::protocol {

/// Big-endian: 8 bytes of seconds, 4 of nanoseconds. All zeros is before every time.
struct Tai64n {
  std::array<std::uint8_t, 12> bytes{};

  /// Nanoseconds are rounded down to a multiple of 2^24 (16.8 ms), so that a stamp tells an observer of the machine's
  /// timing no more than the handshakes' rate (kInitiationInterval) needs. `wall` is not before 1970.
  static Tai64n from(WallTime wall);

  auto operator<=>(const Tai64n&) const = default;
};

}  // namespace vpn::engine::protocol
