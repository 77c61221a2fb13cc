#include "engine/protocol/tai64n.h"

#include <chrono>

#include "base/bytes.h"

namespace vpn::engine::protocol {
namespace {

/// TAI's label of 1970-01-01 00:00:00 UTC, the 10 leap seconds of that time included.
constexpr std::uint64_t kBase = 0x400000000000000a;
constexpr std::uint32_t kGranularity = 1u << 24;

}  // namespace

Tai64n Tai64n::from(WallTime wall) {
  const auto since_epoch = wall.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(since_epoch);
  const auto nanoseconds = static_cast<std::uint32_t>((since_epoch - seconds).count());
  Tai64n stamp;
  store_be64(stamp.bytes.data(), kBase + static_cast<std::uint64_t>(seconds.count()));
  store_be32(stamp.bytes.data() + 8, nanoseconds & ~(kGranularity - 1));
  return stamp;
}

}  // namespace vpn::engine::protocol
