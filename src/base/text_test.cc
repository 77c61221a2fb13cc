#include "base/text.h"

#include <gtest/gtest.h>

namespace vpn {
namespace {

std::string json_string(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST(Utf8, TakesWhatIsWellFormedAndNothingElse) {
  for (const std::string_view text :
       {"", "plain", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", "\xed\x9f\xbf", "\xf4\x8f\xbf\xbf"}) {
    EXPECT_TRUE(is_utf8(text)) << text;
  }
  // A lone tail, an end too soon, overlong forms, surrogates, above U+10FFFF.
  for (const std::string_view text :
       {"\x80", "\xc3", "\xe2\x82", "\xf0\x9f\x98", "\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xed\xa0\x80",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "a\xc3(b"}) {
    EXPECT_FALSE(is_utf8(text)) << text;
  }
}

TEST(JsonString, EscapesWhatMustBe) {
  EXPECT_EQ(json_string("plain \xc3\xa9"), "\"plain \xc3\xa9\"");
  EXPECT_EQ(json_string("a\"b\\c\n\x01\x7f"), R"("a\"b\\c\u000a\u0001\u007f")");
  EXPECT_EQ(json_string({"\0", 1}), R"("\u0000")");
  EXPECT_EQ(json_string("a\xff\xc3(\xed\xa0\x80"), R"("a\ufffd\ufffd(\ufffd\ufffd\ufffd")");
}

TEST(Shown, IsOneLineOfPrintableText) {
  EXPECT_EQ(shown("a b\n\x7f\xc3\xa9", 80), "a b????");
  EXPECT_EQ(shown("123456", 6), "123456");
  EXPECT_EQ(shown("1234567", 6), "123456...");
}

TEST(Printable, KeepsCharactersAndSpeaksToNoTerminal) {
  EXPECT_EQ(printable("plain ~ \xc2\xa0\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80"),
            "plain ~ \xc2\xa0\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80");
  EXPECT_EQ(printable("a\x1b[2J\r\n\x7f"
                      "b"),
            "a?[2J???b");
  EXPECT_EQ(printable({"\0", 1}), "?");
  EXPECT_EQ(printable("\xc2\x9b"
                      "31m\xc2\x80\xc2\x9f"),
            "?31m??");
  EXPECT_EQ(printable("\x9b"
                      "31m\xc3"),
            "?31m?");
  EXPECT_EQ(printable(""), "");
}

TEST(SplitAtCommas, GivesWhatStandsBetween) {
  using Items = std::vector<std::string_view>;
  EXPECT_EQ(split_at_commas("a"), Items{"a"});
  EXPECT_EQ(split_at_commas("a, b,c"), (Items{"a", " b", "c"}));
  EXPECT_EQ(split_at_commas(",a,"), (Items{"", "a", ""}));
  EXPECT_EQ(split_at_commas(""), Items{""});
}

}  // namespace
}  // namespace vpn
