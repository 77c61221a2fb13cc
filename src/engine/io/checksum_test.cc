#include "engine/io/checksum.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace vpn::engine::io {
namespace {

// RFC 1071 section 1, word by word in network order.
std::uint16_t naive(ByteView bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < bytes.size(); i += 2) {
    sum += static_cast<std::uint32_t>(bytes[i]) << 8 | (i + 1 < bytes.size() ? bytes[i + 1] : 0u);
    sum = (sum & 0xffff) + (sum >> 16);
  }
  return static_cast<std::uint16_t>(sum);
}

TEST(Checksum, AgreesWithTheNaiveSumForEveryLengthAndAlignment) {
  SeededRandom random(1);
  std::vector<std::uint8_t> bytes(300);
  random.fill(bytes);
  for (std::size_t start = 0; start < 4; ++start) {
    for (std::size_t size = 0; size + start <= bytes.size(); ++size) {
      const ByteView view = ByteView(bytes).subspan(start, size);
      EXPECT_EQ(network_word(fold_checksum(add_checksum(0, view))), naive(view)) << start << "+" << size;
    }
  }
}

TEST(Checksum, SumsTheExampleOfRfc1071Section3) {
  const std::vector<std::uint8_t> bytes{0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7};
  EXPECT_EQ(network_word(fold_checksum(add_checksum(0, bytes))), 0xddf2);
}

TEST(Checksum, KeepsEveryCarryOfTheLargestPacket) {
  const std::vector<std::uint8_t> ones(65535, 0xff);
  EXPECT_EQ(network_word(fold_checksum(add_checksum(0, ones))), naive(ones));
}

TEST(Checksum, CopiesWhatItSums) {
  SeededRandom random(2);
  for (const std::size_t size : {0u, 1u, 31u, 32u, 33u, 1368u}) {
    std::vector<std::uint8_t> from(size), to(size + 1, 0xaa);
    random.fill(from);
    EXPECT_EQ(copy_and_add_checksum(3, from, to.data()), add_checksum(3, from));
    EXPECT_TRUE(std::equal(from.begin(), from.end(), to.begin()));
    EXPECT_EQ(to.back(), 0xaa) << "wrote behind the end";
  }
}

TEST(Checksum, NeverStoresZeroWhichIsUdpsWordForNone) {
  EXPECT_EQ(finish_checksum(0xffff), 0xffff);
  EXPECT_EQ(finish_checksum(0), 0xffff);
}

}  // namespace
}  // namespace vpn::engine::io
