#include "engine/protocol/session_index.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <set>
#include <unordered_set>

#include "base/random.h"
#include "engine/crypto/x25519.h"

namespace vpn::engine::protocol {
namespace {

constexpr std::uint32_t kTags = 1u << SessionIndex::kTagBits;
constexpr std::uint32_t kCounters = 1u << SessionIndex::kCounterBits;

class SessionIndexTest : public testing::Test {
 protected:
  PublicKey random_public_key() {
    PublicKey key;
    random_.fill(key.bytes);
    return key;
  }

  SeededRandom random_{11};
  PrivateKey key_ = crypto::generate_private_key(random_);
  SessionIndex indices_{key_};
};

TEST_F(SessionIndexTest, OpensWhatItMade) {
  for (int i = 0; i < 20000; ++i) {
    const SessionIndex::Opened pair{random_.below(kTags), random_.below(kCounters)};
    ASSERT_EQ(indices_.open(indices_.index(pair.tag, pair.counter)), pair);
  }
}

TEST_F(SessionIndexTest, MakesWhatItOpened) {
  for (int i = 0; i < 20000; ++i) {
    const std::uint32_t index = random_.next_u32();
    const auto [tag, counter] = indices_.open(index);
    ASSERT_LT(tag, kTags);
    ASSERT_LT(counter, kCounters);
    ASSERT_EQ(indices_.index(tag, counter), index);
  }
}

TEST_F(SessionIndexTest, GivesEveryPairAnotherIndex) {
  std::unordered_set<std::uint32_t> seen;
  for (std::uint32_t tag = 0; tag < 64; ++tag) {
    for (std::uint32_t counter = 0; counter < kCounters; ++counter) {
      ASSERT_TRUE(seen.insert(indices_.index(tag, counter)).second);
    }
  }
}

TEST_F(SessionIndexTest, IsTheSameInAnotherLifeWithTheSameKey) {
  const PublicKey peer = random_public_key();
  const SessionIndex next_life(key_);
  EXPECT_EQ(next_life.tag(peer), indices_.tag(peer));
  EXPECT_EQ(next_life.open(indices_.index(indices_.tag(peer), 77)), (SessionIndex::Opened{indices_.tag(peer), 77}));
}

TEST_F(SessionIndexTest, IsAnotherPermutationForEveryKey) {
  const PublicKey peer = random_public_key();
  unsigned same_tag = 0;
  unsigned same_index = 0;
  for (unsigned bit = 0; bit < 256; ++bit) {
    PrivateKey key = key_;
    key.reveal_mutable()[bit / 8] ^= static_cast<std::uint8_t>(1u << (bit % 8));
    const SessionIndex other(key);
    same_tag += other.tag(peer) == indices_.tag(peer) ? 1 : 0;
    same_index += other.index(1, 1) == indices_.index(1, 1) ? 1 : 0;
  }
  EXPECT_LE(same_tag, 1u);
  EXPECT_EQ(same_index, 0u);
}

TEST_F(SessionIndexTest, FlipsHalfTheBitsForEachBitOfItsInput) {
  // Each of 32 input bits against 32 output bits over many samples: 0.5 within six standard deviations.
  constexpr int kSamples = 2000;
  constexpr double kTolerance = 6 * 0.5 / 44.7;  // 44.7 = sqrt(2000)
  for (unsigned in = 0; in < 32; ++in) {
    unsigned flips[32] = {};
    for (int i = 0; i < kSamples; ++i) {
      const std::uint32_t value = random_.next_u32();
      const std::uint32_t changed = value ^ 1u << in;
      const std::uint32_t difference =
          indices_.index(value >> 12, value & 0xfff) ^ indices_.index(changed >> 12, changed & 0xfff);
      for (unsigned out = 0; out < 32; ++out) flips[out] += difference >> out & 1;
    }
    for (unsigned out = 0; out < 32; ++out)
      ASSERT_NEAR(flips[out] / double{kSamples}, 0.5, kTolerance) << in << ' ' << out;
  }
}

TEST_F(SessionIndexTest, ShowsNoStepBetweenNeighbouringCounters) {
  std::set<std::uint32_t> steps;
  for (std::uint32_t counter = 0; counter < 1000; ++counter) {
    steps.insert(indices_.index(5, counter + 1) - indices_.index(5, counter));
  }
  EXPECT_GE(steps.size(), 999u);
}

TEST_F(SessionIndexTest, SpreadsPeersOverAllTags) {
  // 2^14 peers in 16 buckets of tags: 1024 each, within six standard deviations (31).
  unsigned buckets[16] = {};
  for (unsigned i = 0; i < 1u << 14; ++i) ++buckets[indices_.tag(random_public_key()) >> (SessionIndex::kTagBits - 4)];
  for (const unsigned count : buckets) EXPECT_NEAR(count, 1024, 6 * 31);
}

}  // namespace
}  // namespace vpn::engine::protocol
