#include "engine/protocol/replay_window.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "base/random.h"
#include "engine/protocol/constants.h"

namespace vpn::engine::protocol {
namespace {

/// One more than the window: the distance at which a counter is forgotten.
constexpr std::uint64_t kLimit = ReplayWindow::kSize + 1;

// The cases of the kernel's selftest (selftest/counter.c), in its order: each depends on those before it.
TEST(ReplayWindow, PassesTheCasesOfTheKernelSelftest) {
  struct Case {
    std::uint64_t counter;
    bool accepted;
  };
  constexpr Case kCases[] = {
      {0, true},
      {1, true},
      {1, false},
      {9, true},
      {8, true},
      {7, true},
      {7, false},
      {kLimit, true},
      {kLimit - 1, true},
      {kLimit - 1, false},
      {kLimit - 2, true},
      {2, true},
      {2, false},
      {kLimit + 16, true},
      {3, false},
      {kLimit + 16, false},
      {kLimit * 4, true},
      {kLimit * 4 - (kLimit - 1), true},
      {10, false},
      {kLimit * 4 - kLimit, false},
      {kLimit * 4 - (kLimit + 1), false},
      {kLimit * 4 - (kLimit - 2), true},
      {kLimit * 4 + 1 - kLimit, false},
      {0, false},
      {kRejectAfterMessages, false},
      {kRejectAfterMessages - 1, true},
      {kRejectAfterMessages, false},
      {kRejectAfterMessages - 1, false},
      {kRejectAfterMessages - 2, true},
      {kRejectAfterMessages + 1, false},
      {kRejectAfterMessages + 2, false},
      {kRejectAfterMessages - 2, false},
      {kRejectAfterMessages - 3, true},
      {0, false},
  };
  ReplayWindow window;
  int number = 0;
  for (const Case& c : kCases) EXPECT_EQ(window.accept(c.counter), c.accepted) << "case " << ++number;
}

// Its sweeps.

TEST(ReplayWindow, AcceptsAWholeWindowUpwards) {
  ReplayWindow window;
  for (std::uint64_t i = 1; i <= ReplayWindow::kSize; ++i) ASSERT_TRUE(window.accept(i));
  EXPECT_TRUE(window.accept(0));
  EXPECT_FALSE(window.accept(0));
}

TEST(ReplayWindow, RejectsCounterBelowWindow) {
  ReplayWindow window;
  for (std::uint64_t i = 2; i <= ReplayWindow::kSize + 1; ++i) ASSERT_TRUE(window.accept(i));
  EXPECT_TRUE(window.accept(1));
  EXPECT_FALSE(window.accept(0));
}

TEST(ReplayWindow, AcceptsAWholeWindowDownwards) {
  ReplayWindow window;
  for (std::uint64_t i = ReplayWindow::kSize + 1; i-- > 0;) ASSERT_TRUE(window.accept(i)) << i;
}

TEST(ReplayWindow, RejectsWhatAJumpLeftBehind) {
  ReplayWindow window;
  for (std::uint64_t i = ReplayWindow::kSize + 2; i-- > 1;) ASSERT_TRUE(window.accept(i)) << i;
  EXPECT_FALSE(window.accept(0));

  ReplayWindow jumped;
  for (std::uint64_t i = ReplayWindow::kSize; i-- > 1;) ASSERT_TRUE(jumped.accept(i)) << i;
  EXPECT_TRUE(jumped.accept(ReplayWindow::kSize + 1));
  EXPECT_FALSE(jumped.accept(0));
}

TEST(ReplayWindow, RejectsARefusedCounterWithoutMoving) {
  ReplayWindow window;
  EXPECT_TRUE(window.accept(5));
  EXPECT_FALSE(window.accept(kRejectAfterMessages));
  EXPECT_FALSE(window.accept(UINT64_MAX));
  EXPECT_TRUE(window.accept(4));
}

TEST(ReplayWindow, AgreesWithASetOfSeenCounters) {
  SeededRandom random(42);
  // Steps that stay inside the window, that cross it, and that leave it far behind.
  for (const std::uint32_t reach : {40u, 200u, 9000u, 40000u}) {
    ReplayWindow window;
    std::set<std::uint64_t> seen;
    std::uint64_t greatest = 0;
    for (int i = 0; i < 20000; ++i) {
      const std::uint64_t base = greatest + reach / 4;
      const std::uint64_t back = random.below(reach);
      const std::uint64_t counter = base > back ? base - back : 0;
      const bool below = counter + ReplayWindow::kSize < greatest;
      const bool expected = !below && !seen.contains(counter);
      ASSERT_EQ(window.accept(counter), expected) << counter << " after " << greatest;
      if (!expected) continue;
      seen.insert(counter);
      greatest = std::max(greatest, counter);
    }
  }
}

TEST(ReplayWindow, TakesNoMemoryOfItsOwnForAFewPackets) {
  EXPECT_LE(sizeof(ReplayWindow), 24u);
}

}  // namespace
}  // namespace vpn::engine::protocol
