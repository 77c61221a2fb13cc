#include "engine/protocol/drop_reason.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

namespace vpn::engine::protocol {
namespace {

TEST(DropReason, HasANameOfItsOwnFitForAMetric) {
  std::set<std::string_view> names;
  constexpr auto kCount = static_cast<unsigned>(DropReason::kCount);
  for (unsigned i = 0; i < kCount; ++i) {
    const std::string_view name = to_string(static_cast<DropReason>(i));
    EXPECT_THAT(std::string(name), testing::MatchesRegex("[a-z][a-z0-9_]+"));
    EXPECT_NE(name, "unknown");
    names.insert(name);
  }
  EXPECT_EQ(names.size(), kCount);
}

}  // namespace
}  // namespace vpn::engine::protocol
