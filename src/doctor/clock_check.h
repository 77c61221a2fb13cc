// The clock: a handshake carries the time and is refused when that is not later than the last (TAI64N), and TLS towards
// a store looks at it.
#pragma once

#include "base/clock.h"
#include "doctor/finding.h"

namespace vpn::doctor {

struct ClockFacts {
  WallTime now{};
  WallTime built{};  ///< of this program; no right clock is before it
  bool synchronized = false;
};

ClockFacts look_at_clock(const Clock& clock);

/// Pure.
Finding judge_clock(const ClockFacts& facts);

}  // namespace vpn::doctor
