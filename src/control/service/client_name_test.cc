#include "control/service/client_name.h"

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

}  // namespace
}  // namespace vpn::control
