#include "cli/timestamp.h"

#include <gtest/gtest.h>

namespace vpn::cli {
namespace {

WallTime at(std::int64_t nanoseconds) {
  return WallTime(std::chrono::nanoseconds(nanoseconds));
}

TEST(Timestamp, IsRfc3339InUtcToTheNanosecond) {
  EXPECT_EQ(format_timestamp(at(0)), "1970-01-01T00:00:00.000000000Z");
  EXPECT_EQ(format_timestamp(at(1'700'000'000'123'456'789)), "2023-11-14T22:13:20.123456789Z");
  EXPECT_EQ(format_timestamp(at(-1)), "1969-12-31T23:59:59.999999999Z");
}

TEST(Timestamp, ReadsWhatItWrites) {
  for (const std::int64_t nanoseconds :
       {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1'700'000'000'123'456'789},
        std::int64_t{951'782'400'000'000'001}, std::int64_t{-9'214'560'000'000'000'000},
        std::int64_t{9'214'646'399'999'999'999}}) {
    EXPECT_EQ(parse_timestamp(format_timestamp(at(nanoseconds))), at(nanoseconds)) << nanoseconds;
  }
}

TEST(Timestamp, ReadsAnyLengthOfFraction) {
  EXPECT_EQ(parse_timestamp("1970-01-01T00:00:01Z"), at(1'000'000'000));
  EXPECT_EQ(parse_timestamp("1970-01-01T00:00:01.5Z"), at(1'500'000'000));
  EXPECT_EQ(parse_timestamp("2000-02-29T23:59:59.000001Z"), at(951'868'799'000'001'000));
}

TEST(Timestamp, RefusesAnythingElse) {
  for (const char* text : {"",
                           "Z",
                           "1970-01-01",
                           "1970-01-01T00:00:00",
                           "1970-01-01T00:00:00+00:00",
                           "1970-01-01 00:00:00Z",
                           "1970-01-01T00:00:00.Z",
                           "1970-01-01T00:00:00.0000000000Z",
                           "1970-01-01T00:00:00.-1Z",
                           "1970-13-01T00:00:00Z",
                           "1970-00-01T00:00:00Z",
                           "1970-02-29T00:00:00Z",
                           "1970-01-01T24:00:00Z",
                           "1970-01-01T00:60:00Z",
                           "1970-01-01T00:00:60Z",
                           "1677-12-31T00:00:00Z",
                           "2262-01-01T00:00:00Z",
                           "+970-01-01T00:00:00Z",
                           "1970-01-01T00:00:00Z ",
                           "1970-01-01T00:00:00,5Z"}) {
    EXPECT_FALSE(parse_timestamp(text)) << text;
  }
}

}  // namespace
}  // namespace vpn::cli
