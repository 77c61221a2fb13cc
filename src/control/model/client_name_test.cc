#include "control/model/client_name.h"

#include <gtest/gtest.h>

#include <string>

namespace vpn::control {
namespace {

using namespace std::string_literals;

TEST(ClientName, TakesPrintableUtf8OfSixtyFourBytes) {
  for (const std::string& name :
       {""s, "a"s, "Anna's laptop"s, "J\xc3\xbcrgen \xe6\x97\xa5\xe6\x9c\xac \xf0\x9f\x98\x80"s,
        "${IFS};$(touch /tmp/x)\"'<&>"s, std::string(64, 'x')}) {
    EXPECT_TRUE(check_client_name(name)) << name;
  }
}

TEST(ClientName, RefusesTheRest) {
  for (const std::string& name : {std::string(65, 'x'),
                                  " a"s,
                                  "a "s,
                                  "a\nb"s,
                                  "a\0b"s,
                                  "\x7f"s,
                                  "\x1b[2J"s,
                                  "\xc2\x85"s,
                                  "\xe2\x80\xa8"s,
                                  "\xe2\x80\xae"s,
                                  "\x80"s,
                                  "\xc3"s,
                                  "\xc0\xaf"s,
                                  "\xe0\x80\xaf"s,
                                  "\xed\xa0\x80"s,
                                  "\xf4\x90\x80\x80"s,
                                  "\xf5\x80\x80\x80"s,
                                  "\xf0\x80\x80\x80"s,
                                  "\xef\xbf\xbe"s,
                                  "9TjcVJHPDh8h0/Qxy4Hf5x77cm70LNwc7Bbcj3tUAgk="s}) {
    const Status refused = check_client_name(name);
    ASSERT_FALSE(refused) << name;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(refused.error().field, "name");
  }
}

std::string utf8(std::uint32_t code_point) {
  const auto tail = [&](int shift) { return static_cast<char>(0x80 | ((code_point >> shift) & 0x3f)); };
  if (code_point < 0x800) return {static_cast<char>(0xc0 | (code_point >> 6)), tail(0)};
  return {static_cast<char>(0xe0 | (code_point >> 12)), tail(6), tail(0)};
}

TEST(ClientName, RefusesCharactersThatShowNothingOrTurnTheDirection) {
  const struct {
    std::uint32_t first, last;
  } kRefused[] = {{0xad, 0xad},     {0x61c, 0x61c},   {0x200b, 0x200f}, {0x2028, 0x202e},
                  {0x2060, 0x2064}, {0x2066, 0x2069}, {0xfeff, 0xfeff}};
  for (const auto& range : kRefused) {
    for (std::uint32_t code_point = range.first; code_point <= range.last; ++code_point) {
      EXPECT_FALSE(check_client_name("an" + utf8(code_point) + "na")) << std::hex << code_point;
    }
  }
  for (const std::uint32_t code_point : {0xacu, 0xaeu, 0x61bu, 0x61du, 0x200au, 0x2010u, 0x2027u, 0x202fu, 0x2070u}) {
    EXPECT_TRUE(check_client_name("an" + utf8(code_point) + "na")) << std::hex << code_point;
  }
}

}  // namespace
}  // namespace vpn::control
