// For tests: the system's clock, counting how often it is read. What a thread does at every turn of its loop tells
// whether the thread rests.
#pragma once

#include <atomic>

#include "base/clock.h"

namespace vpn::engine {

class CountingClock final : public Clock {
 public:
  Instant now() const override {
    ++readings;
    return clock_.now();
  }
  WallTime wall_now() const override { return clock_.wall_now(); }

  mutable std::atomic<int> readings = 0;

 private:
  SystemClock clock_;
};

}  // namespace vpn::engine
