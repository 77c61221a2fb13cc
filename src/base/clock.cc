#include "base/clock.h"

#include <ctime>

namespace vpn {
namespace {

std::chrono::nanoseconds read_clock(clockid_t id) {
  timespec value{};
  clock_gettime(id, &value);
  return std::chrono::seconds(value.tv_sec) + std::chrono::nanoseconds(value.tv_nsec);
}

}  // namespace

Instant SystemClock::now() const {
  return Instant(read_clock(CLOCK_BOOTTIME));
}
WallTime SystemClock::wall_now() const {
  return WallTime(read_clock(CLOCK_REALTIME));
}

}  // namespace vpn
