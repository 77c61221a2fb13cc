#include "engine/crypto/siphash.h"

#include <set>

#include "engine/crypto/test_bytes.h"

namespace vpn::engine::crypto {
namespace {

const SipHashKey kKey = SipHashKey(std::span<const std::uint8_t, 16>(counting_bytes(16)));

TEST(SipHash, GivesTheExampleOfItsPaper) {
  // Aumasson and Bernstein, "SipHash: a fast short-input PRF", appendix A.
  EXPECT_EQ(siphash(kKey, counting_bytes(15)), 0xa129ca6149be45e5u);
}

TEST(SipHash, TellsInputsOfZerosApartByTheirLength) {
  std::set<std::uint64_t> seen;
  for (std::size_t size = 0; size < 40; ++size) seen.insert(siphash(kKey, std::vector<std::uint8_t>(size)));
  EXPECT_EQ(seen.size(), 40u);
}

TEST(SipHash, DependsOnEveryBitOfTheKey) {
  const auto input = counting_bytes(9);
  std::set<std::uint64_t> seen;
  for (unsigned bit = 0; bit < 128; ++bit) {
    SipHashKey key = kKey;
    key.reveal_mutable()[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    seen.insert(siphash(key, input));
  }
  seen.insert(siphash(kKey, input));
  EXPECT_EQ(seen.size(), 129u);
}

}  // namespace
}  // namespace vpn::engine::crypto
