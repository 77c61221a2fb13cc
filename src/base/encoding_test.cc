#include "base/encoding.h"

#include <gtest/gtest.h>

#include "base/random.h"

namespace vpn {
namespace {

ByteView bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

TEST(Base64, EncodesTheVectorsOfRfc4648Section10) {
  EXPECT_EQ(base64_encode(bytes_of("")), "");
  EXPECT_EQ(base64_encode(bytes_of("f")), "Zg==");
  EXPECT_EQ(base64_encode(bytes_of("fo")), "Zm8=");
  EXPECT_EQ(base64_encode(bytes_of("foo")), "Zm9v");
  EXPECT_EQ(base64_encode(bytes_of("foobar")), "Zm9vYmFy");
}

TEST(Base64, DecodesWhatItEncodesForEveryLength) {
  SeededRandom random(1);
  for (std::size_t size = 0; size < 70; ++size) {
    std::vector<std::uint8_t> bytes(size), back(size);
    random.fill(bytes);
    ASSERT_TRUE(base64_decode(base64_encode(bytes), back)) << size;
    EXPECT_EQ(back, bytes);
  }
}

TEST(Base64, RefusesASecondSpellingOfTheSameBytes) {
  std::array<std::uint8_t, 1> one{};
  EXPECT_TRUE(base64_decode("Zg==", one));
  EXPECT_FALSE(base64_decode("Zh==", one));  // the same first 8 bits, other trailing bits
  EXPECT_EQ(one[0], 0);
}

TEST(Base64, RefusesWrongLengthPaddingAndCharacters) {
  std::array<std::uint8_t, 2> two{};
  for (const char* text : {"", "Zm8", "Zm8==", "Zm9v", "Zm 8", "Zm-=", "Zm_=", "=m8=", "Zm8\n"}) {
    EXPECT_FALSE(base64_decode(text, two)) << text;
  }
}

TEST(Hex, RoundTripsAndTakesBothCases) {
  std::array<std::uint8_t, 3> three{};
  ASSERT_TRUE(hex_decode("00aBfF", three));
  EXPECT_EQ(hex_encode(three), "00abff");
}

TEST(Hex, RefusesWrongLengthAndCharacters) {
  std::array<std::uint8_t, 2> two{};
  for (const char* text : {"", "000", "00000", "00g0", "0x00", "00 0"}) EXPECT_FALSE(hex_decode(text, two)) << text;
}

TEST(Decimal, ParsesDigitsAlone) {
  EXPECT_EQ(parse_decimal("0", 10), 0u);
  EXPECT_EQ(parse_decimal("10", 10), 10u);
  EXPECT_EQ(parse_decimal("18446744073709551615", UINT64_MAX), UINT64_MAX);
  for (const char* text : {"", "11", "-1", "+1", " 1", "1 ", "1a", "0x1", "18446744073709551616"}) {
    EXPECT_EQ(parse_decimal(text, 10), std::nullopt) << text;
  }
}

}  // namespace
}  // namespace vpn
