// Two clocks, passed in wherever time matters: an Instant orders events, a WallTime is told to people and peers.
#pragma once

#include <chrono>

namespace vpn {

/// Nanoseconds since boot, suspend included (CLOCK_BOOTTIME, as the kernel's WireGuard uses: a session must age while
/// a laptop sleeps).
struct BootClock {
  using duration = std::chrono::nanoseconds;
  using rep = duration::rep;
  using period = duration::period;
  using time_point = std::chrono::time_point<BootClock>;
  static constexpr bool is_steady = true;
};
using Instant = BootClock::time_point;

/// Nanoseconds since 1970-01-01 UTC.
using WallTime = std::chrono::time_point<std::chrono::system_clock, std::chrono::nanoseconds>;

/// Where now comes from. Implementations are safe from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant now() const = 0;
  virtual WallTime wall_now() const = 0;
};

class SystemClock final : public Clock {
 public:
  Instant now() const override;
  WallTime wall_now() const override;
};

/// A clock that moves when told, for tests. One thread.
class ManualClock final : public Clock {
 public:
  Instant now() const override { return now_; }
  WallTime wall_now() const override { return wall_now_; }
  void advance(std::chrono::nanoseconds by) {
    now_ += by;
    wall_now_ += by;
  }

 private:
  Instant now_{std::chrono::hours(1)};
  WallTime wall_now_{std::chrono::seconds(1'700'000'000)};
};

}  // namespace vpn
