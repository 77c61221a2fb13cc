// A moment as text: RFC 3339 in UTC, to the nanosecond. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace vpn::cli {

/// "2026-01-31T09:00:00.123456789Z".
std::string format_timestamp(WallTime time);

/// The same with none to nine digits of a fraction, for the years 1678 to 2261, which a WallTime holds whole. No other
/// offset than Z, no leap second.
std::optional<WallTime> parse_timestamp(std::string_view text);

}  // namespace vpn::cli
