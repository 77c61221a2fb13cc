#include "engine/protocol/tai64n.h"

#include <gtest/gtest.h>

#include "base/encoding.h"

namespace vpn::engine::protocol {
namespace {

using namespace std::chrono_literals;

TEST(Tai64n, BeginsAt1970WithItsLabelAndTenLeapSeconds) {
  EXPECT_EQ(hex_encode(Tai64n::from(WallTime{}).bytes), "400000000000000a00000000");
}

TEST(Tai64n, WritesSecondsAndNanosecondsBigEndian) {
  // 1,700,000,000 is 0x6553f100; 500,000,000 ns is 0x1dcd6500, of which the low 24 bits go.
  EXPECT_EQ(hex_encode(Tai64n::from(WallTime{1'700'000'000s + 500ms}).bytes), "400000006553f10a1d000000");
}

TEST(Tai64n, IsTheSameWithin16MillisecondsAndThenGreater) {
  const WallTime start{1'700'000'000s};
  const Tai64n stamp = Tai64n::from(start);
  EXPECT_EQ(Tai64n::from(start + 16'777'215ns), stamp);
  EXPECT_GT(Tai64n::from(start + 16'777'216ns), stamp);
}

TEST(Tai64n, SortsAsTimeDoes) {
  Tai64n previous;
  for (WallTime time{1'700'000'000s}; time < WallTime{1'700'000'600s}; time += 987ms) {
    const Tai64n stamp = Tai64n::from(time);
    EXPECT_GT(stamp, previous);
    previous = stamp;
  }
}

}  // namespace
}  // namespace vpn::engine::protocol
