#include "engine/protocol/rate_limiter.h"

#include <gtest/gtest.h>

#include <string>

namespace vpn::engine::protocol {
namespace {

using namespace std::chrono_literals;

class RateLimiterTest : public testing::Test {
 protected:
  bool allow(std::string_view address) { return limiter_.allow(*IpAddress::parse(address), now_); }

  /// Takes tokens until there are none.
  unsigned drain(std::string_view address) {
    unsigned taken = 0;
    while (taken < 1000 && allow(address)) ++taken;
    return taken;
  }

  SeededRandom random_{9};
  RateLimiter limiter_{random_};
  Instant now_{1h};
};

TEST_F(RateLimiterTest, FollowsTheTimelineOfTheKernelSelftest) {
  // selftest/ratelimiter.c: the burst, then tokens at 50 ms each.
  struct Step {
    bool allowed;
    std::chrono::milliseconds after;
  };
  constexpr Step kSteps[] = {{true, 0ms},  {true, 0ms},  {true, 0ms},   {true, 0ms}, {true, 0ms}, {false, 0ms},
                             {true, 50ms}, {false, 0ms}, {true, 100ms}, {true, 0ms}, {false, 0ms}};
  for (const std::string_view address : {"192.0.2.1", "2001:db8::1"}) {
    int number = 0;
    for (const Step& step : kSteps) {
      now_ += step.after;
      EXPECT_EQ(allow(address), step.allowed) << address << " step " << number;
      ++number;
    }
  }
}

TEST_F(RateLimiterTest, GivesTwentyASecondOverTime) {
  drain("192.0.2.1");
  unsigned taken = 0;
  for (int millisecond = 0; millisecond < 10'000; ++millisecond) {
    now_ += 1ms;
    taken += allow("192.0.2.1") ? 1 : 0;
  }
  EXPECT_EQ(taken, 200u);
}

TEST_F(RateLimiterTest, HoldsNoMoreThanTheBurstAfterALongWait) {
  drain("192.0.2.1");
  now_ += 300ms;
  EXPECT_EQ(drain("192.0.2.1"), RateLimiter::kBurst);
  now_ += 1h;
  EXPECT_EQ(drain("192.0.2.1"), RateLimiter::kBurst);
}

TEST_F(RateLimiterTest, CountsEachIpv4AddressAlone) {
  drain("192.0.2.1");
  EXPECT_EQ(drain("192.0.2.2"), RateLimiter::kBurst);
}

TEST_F(RateLimiterTest, CountsAnIpv6NetworkOf64BitsAsOne) {
  drain("2001:db8:0:1::1");
  EXPECT_FALSE(allow("2001:db8:0:1:ffff:ffff:ffff:ffff"));
  EXPECT_TRUE(allow("2001:db8:0:2::1"));
  EXPECT_TRUE(allow("2001:db8:1:1::1"));
}

TEST_F(RateLimiterTest, KeepsTheFamiliesApart) {
  drain("0.0.0.0");
  EXPECT_TRUE(allow("::"));
}

TEST_F(RateLimiterTest, ForgetsASilentSourceAfterASecond) {
  allow("192.0.2.1");
  now_ += 900ms;
  allow("192.0.2.2");
  EXPECT_EQ(limiter_.size(), 2u);
  now_ += 200ms;
  allow("192.0.2.3");  // sweeps the first alone
  EXPECT_EQ(limiter_.size(), 2u);
  now_ += 10s;
  allow("192.0.2.3");
  EXPECT_EQ(limiter_.size(), 1u);
}

TEST_F(RateLimiterTest, RefusesNewSourcesWhileFullAndServesTheOldOnes) {
  limiter_.allow(IpAddress::v4(0), now_);
  now_ += 500ms;
  for (std::uint32_t i = 1; i < RateLimiter::kMaxSources; ++i) ASSERT_TRUE(limiter_.allow(IpAddress::v4(i), now_));
  EXPECT_FALSE(limiter_.allow(IpAddress::v4(RateLimiter::kMaxSources), now_));
  EXPECT_TRUE(limiter_.allow(IpAddress::v4(1), now_));
  EXPECT_EQ(limiter_.size(), RateLimiter::kMaxSources);

  now_ += 600ms;  // the first source's second is over
  EXPECT_TRUE(limiter_.allow(IpAddress::v4(RateLimiter::kMaxSources), now_));
  EXPECT_EQ(limiter_.size(), RateLimiter::kMaxSources);
}

}  // namespace
}  // namespace vpn::engine::protocol
