// Random bytes, passed in wherever they are needed, so that a simulation can be repeated from its seed.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace vpn {

class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(MutableBytes out) = 0;

  std::uint32_t next_u32();
  /// Uniform in [0, bound); bound > 0.
  std::uint32_t below(std::uint32_t bound);
};

/// getrandom(2). Safe from any thread.
class SystemRandom final : public Random {
 public:
  void fill(MutableBytes out) override;
};

/// Repeatable bytes for tests (SplitMix64): never for keys in earnest. One thread.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(std::uint64_t seed) : state_(seed) {}
  void fill(MutableBytes out) override;

 private:
  std::uint64_t next();
  std::uint64_t state_;
};

}  // namespace vpn
