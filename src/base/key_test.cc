#include "base/key.h"

#include <gtest/gtest.h>

namespace vpn {
namespace {

TEST(Key, ParsesFortyFourCanonicalCharacters) {
  const std::string text = "9TjcVJHPDh8h0/Qxy4Hf5x77cm70LNwc7Bbcj3tUAgk=";
  ASSERT_TRUE(PublicKey::parse(text));
  EXPECT_EQ(to_string(*PublicKey::parse(text)), text);
  EXPECT_EQ(reveal_base64(*PrivateKey::parse(text)), text);
}

TEST(Key, RefusesOtherSpellings) {
  for (const char* text :
       {"", "undefined", "9TjcVJHPDh8h0/Qxy4Hf5x77cm70LNwc7Bbcj3tUAgl=",  // trailing bits
        "9TjcVJHPDh8h0/Qxy4Hf5x77cm70LNwc7Bbcj3tUAgk",
        "9TjcVJHPDh8h0_Qxy4Hf5x77cm70LNwc7Bbcj3tUAgk=", " 9TjcVJHPDh8h0/Qxy4Hf5x77cm70LNwc7Bbcj3tUAgk="}) {
    EXPECT_FALSE(PublicKey::parse(text)) << text;
  }
}

}  // namespace
}  // namespace vpn
