// For tests with several threads: what came out of a tunnel on one way, numbered packets, each at most once.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <mutex>
#include <set>

namespace vpn::engine::protocol {

/// Safe from any thread.
class Arrivals {
 public:
  void note(std::uint64_t number) {
    const std::lock_guard lock(mutex_);
    EXPECT_TRUE(numbers_.insert(number).second) << "arrived twice: " << number;
  }
  std::size_t count() const {
    const std::lock_guard lock(mutex_);
    return numbers_.size();
  }

 private:
  mutable std::mutex mutex_;
  std::set<std::uint64_t> numbers_;
};

}  // namespace vpn::engine::protocol
