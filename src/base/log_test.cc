#include "base/log.h"

#include <gtest/gtest.h>

namespace vpn {
namespace {

TEST(Log, QuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(format_log_text("client added", {{"name", "alice"}, {"note", "two words"}, {"empty", ""}}),
            R"(client added name=alice note="two words" empty="")");
}

TEST(Log, KeepsHostileValuesOnOneLine) {
  EXPECT_EQ(format_log_text("refused", {{"name", "a\nlevel=error \"x\" \\ \x1b[2J"}}),
            R"(refused name="a\x0alevel=error \"x\" \\ \x1b[2J")");
}

}  // namespace
}  // namespace vpn
