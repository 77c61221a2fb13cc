#include "engine/protocol/allowed_ips.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "base/random.h"

namespace vpn::engine::protocol {
namespace {

/// A peer that is never looked into.
Peer* fake_peer(std::uintptr_t number) {
  return reinterpret_cast<Peer*>(number * 64);
}

IpPrefix prefix(std::string_view text) {
  const auto parsed = IpPrefix::parse(text);
  EXPECT_TRUE(parsed) << text;
  return parsed.value_or(IpPrefix{});
}

std::vector<std::string> entries_of(const AllowedIps& table, const Peer* peer) {
  std::vector<std::string> result;
  for (const IpPrefix& entry : table.entries(peer)) result.push_back(to_string(entry));
  return result;
}

class AllowedIpsTest : public testing::Test {
 protected:
  void insert(Peer* peer, std::string_view text) { table_.insert(prefix(text), peer); }
  void remove(Peer* peer, std::string_view text) { table_.remove(prefix(text), peer); }
  Peer* lookup(std::string_view text) const {
    const IpAddress address = IpAddress::parse(text).value();
    return table_.lookup(address.family(), address.bytes().data());
  }

  AllowedIps table_;
  Peer* const a_ = fake_peer(1);
  Peer* const b_ = fake_peer(2);
  Peer* const c_ = fake_peer(3);
  Peer* const d_ = fake_peer(4);
};

TEST_F(AllowedIpsTest, IsEmptyAtFirst) {
  EXPECT_EQ(lookup("192.0.2.1"), nullptr);
  EXPECT_EQ(lookup("2001:db8::1"), nullptr);
  EXPECT_EQ(table_.size(), 0u);
}

TEST_F(AllowedIpsTest, FindsTheLongestPrefix) {
  insert(a_, "0.0.0.0/0");
  insert(b_, "10.0.0.0/8");
  insert(c_, "10.1.0.0/17");
  insert(d_, "10.1.2.3/32");
  EXPECT_EQ(lookup("192.0.2.1"), a_);
  EXPECT_EQ(lookup("10.255.255.255"), b_);
  EXPECT_EQ(lookup("10.1.127.255"), c_);
  EXPECT_EQ(lookup("10.1.128.0"), b_);
  EXPECT_EQ(lookup("10.1.2.3"), d_);
  EXPECT_EQ(lookup("10.1.2.2"), c_);
}

TEST_F(AllowedIpsTest, FindsIpv6PrefixesOfOddLengths) {
  insert(a_, "2001:db8::/29");
  insert(b_, "2001:db8::/64");
  insert(c_, "2001:db8::8000/113");
  insert(d_, "2001:db8::8001/128");
  EXPECT_EQ(lookup("2001:dbf:ffff::1"), a_);
  EXPECT_EQ(lookup("2001:dc0::1"), nullptr);
  EXPECT_EQ(lookup("2001:db8:0:0:1::"), b_);
  EXPECT_EQ(lookup("2001:db8::7fff"), b_);
  EXPECT_EQ(lookup("2001:db8::ffff"), c_);
  EXPECT_EQ(lookup("2001:db8::8001"), d_);
}

TEST_F(AllowedIpsTest, KeepsTheFamiliesApart) {
  insert(a_, "0.0.0.0/0");
  EXPECT_EQ(lookup("::"), nullptr);
  insert(b_, "::/0");
  EXPECT_EQ(lookup("::"), b_);
  EXPECT_EQ(lookup("0.0.0.0"), a_);
}

TEST_F(AllowedIpsTest, MasksWhatIsInserted) {
  insert(a_, "10.1.2.3/8");
  EXPECT_EQ(lookup("10.200.0.1"), a_);
  EXPECT_THAT(entries_of(table_, a_), testing::ElementsAre("10.0.0.0/8"));
  remove(a_, "10.99.0.0/8");
  EXPECT_EQ(lookup("10.200.0.1"), nullptr);
}

TEST_F(AllowedIpsTest, DoesNotConfuseThePathsItSkips) {
  // Two neighbours deep down: every byte above them is skipped, and must still be compared.
  insert(a_, "10.20.30.1/32");
  insert(a_, "10.20.30.2/32");
  EXPECT_EQ(lookup("10.21.30.1"), nullptr);
  EXPECT_EQ(lookup("11.20.30.1"), nullptr);
  EXPECT_EQ(lookup("10.20.31.2"), nullptr);
  EXPECT_EQ(lookup("10.20.30.3"), nullptr);
  EXPECT_EQ(lookup("10.20.30.2"), a_);
}

TEST_F(AllowedIpsTest, MovesAPrefixToItsNewOwner) {
  insert(a_, "10.0.0.0/24");
  insert(a_, "10.0.1.0/24");
  insert(b_, "10.0.0.0/24");
  EXPECT_EQ(lookup("10.0.0.1"), b_);
  EXPECT_THAT(entries_of(table_, a_), testing::ElementsAre("10.0.1.0/24"));
  EXPECT_THAT(entries_of(table_, b_), testing::ElementsAre("10.0.0.0/24"));
  EXPECT_EQ(table_.size(), 2u);
  insert(b_, "10.0.0.0/24");
  EXPECT_THAT(entries_of(table_, b_), testing::ElementsAre("10.0.0.0/24"));
  EXPECT_EQ(table_.size(), 2u);
}

TEST_F(AllowedIpsTest, RemovesOnlyFromTheOwnerAndOnlyTheVeryPrefix) {
  insert(a_, "10.0.0.0/24");
  remove(b_, "10.0.0.0/24");
  remove(a_, "10.0.0.0/25");
  remove(a_, "10.0.0.0/23");
  remove(a_, "10.0.0.0/32");
  remove(a_, "::/0");
  EXPECT_EQ(lookup("10.0.0.1"), a_);
  remove(a_, "10.0.0.0/24");
  EXPECT_EQ(lookup("10.0.0.1"), nullptr);
  EXPECT_TRUE(table_.entries(a_).empty());
}

TEST_F(AllowedIpsTest, LeavesNoHoleWhereAPrefixWas) {
  insert(a_, "10.0.0.0/8");
  insert(b_, "10.1.0.0/16");
  insert(c_, "10.1.1.0/24");
  insert(d_, "10.1.1.1/32");
  remove(c_, "10.1.1.0/24");
  EXPECT_EQ(lookup("10.1.1.1"), d_);
  EXPECT_EQ(lookup("10.1.1.2"), b_);
  remove(b_, "10.1.0.0/16");
  EXPECT_EQ(lookup("10.1.1.2"), a_);
  EXPECT_EQ(lookup("10.1.1.1"), d_);
  remove(d_, "10.1.1.1/32");
  EXPECT_EQ(lookup("10.1.1.1"), a_);
}

TEST_F(AllowedIpsTest, RemovesAllOfOnePeerAndNothingElse) {
  insert(a_, "10.0.0.0/8");
  insert(b_, "10.1.0.0/16");
  insert(b_, "10.1.1.1/32");
  insert(b_, "2001:db8::/32");
  insert(b_, "::/0");
  table_.remove_all(b_);
  EXPECT_EQ(lookup("10.1.1.1"), a_);
  EXPECT_EQ(lookup("2001:db8::1"), nullptr);
  EXPECT_TRUE(table_.entries(b_).empty());
  EXPECT_EQ(table_.size(), 1u);
  table_.remove_all(c_);
  EXPECT_EQ(table_.size(), 1u);
}

TEST_F(AllowedIpsTest, ListsAPeersPrefixesLatestFirst) {
  insert(a_, "10.0.0.2/32");
  insert(b_, "10.0.0.9/32");
  insert(a_, "2001:db8::/32");
  insert(a_, "0.0.0.0/0");
  EXPECT_THAT(entries_of(table_, a_), testing::ElementsAre("0.0.0.0/0", "2001:db8::/32", "10.0.0.2/32"));
}

TEST_F(AllowedIpsTest, HoldsEveryLengthOfOneAddressAtOnce) {
  for (const std::string_view address : {"170.85.51.204", "aa55:33cc:0ff0:c33c:5a5a:a5a5:1234:8765"}) {
    const IpAddress whole = *IpAddress::parse(address);
    for (unsigned length = 0; length <= whole.bit_count(); ++length) {
      table_.insert({whole, static_cast<std::uint8_t>(length)}, fake_peer(100 + length));
    }
    for (unsigned length = whole.bit_count();; --length) {
      ASSERT_EQ(lookup(address), fake_peer(100 + length));
      table_.remove({whole, static_cast<std::uint8_t>(length)}, fake_peer(100 + length));
      if (length == 0) break;
    }
    EXPECT_EQ(lookup(address), nullptr);
  }
  EXPECT_EQ(table_.size(), 0u);
}

/// The same table as a list, searched from end to end.
class NaiveTable {
 public:
  void insert(const IpPrefix& prefix, Peer* peer) { owners_[prefix.masked()] = peer; }
  void remove(const IpPrefix& prefix, const Peer* peer) {
    const auto found = owners_.find(prefix.masked());
    if (found != owners_.end() && found->second == peer) owners_.erase(found);
  }
  void remove_all(const Peer* peer) {
    std::erase_if(owners_, [peer](const auto& entry) { return entry.second == peer; });
  }
  Peer* lookup(const IpAddress& address) const {
    int longest = -1;
    Peer* result = nullptr;
    for (const auto& [prefix, peer] : owners_) {
      if (prefix.length <= longest || !prefix.contains(address)) continue;
      longest = prefix.length;
      result = peer;
    }
    return result;
  }
  std::vector<IpPrefix> entries(const Peer* peer) const {
    std::vector<IpPrefix> result;
    for (const auto& [prefix, owner] : owners_) {
      if (owner == peer) result.push_back(prefix);
    }
    return result;
  }
  std::size_t size() const { return owners_.size(); }

 private:
  std::map<IpPrefix, Peer*> owners_;
};

/// Addresses that have much in common, so that prefixes nest and nodes split in every byte.
IpAddress random_address(Random& random, bool v6) {
  std::array<std::uint8_t, 16> bytes;
  random.fill(bytes);
  for (std::uint8_t& byte : bytes) {
    if (random.below(4) != 0) byte = static_cast<std::uint8_t>(byte & 1 ? 0x80 : 0);
  }
  return v6 ? IpAddress::v6_from_bytes(bytes.data()) : IpAddress::v4_from_bytes(bytes.data());
}

TEST_F(AllowedIpsTest, AgreesWithANaiveListUnderRandomChanges) {
  constexpr std::uintptr_t kPeers = 12;
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    SeededRandom random(seed);
    AllowedIps table;
    NaiveTable naive;
    std::vector<IpPrefix> used;
    for (int step = 0; step < 2000; ++step) {
      Peer* const peer = fake_peer(1 + random.below(kPeers));
      // Growing, then shrinking, then growing again.
      const bool grow = (step / 500) % 2 == 0 ? random.below(10) < 7 : random.below(10) < 2;
      if (grow) {
        const IpAddress address = random_address(random, random.below(2) == 0);
        const IpPrefix added{address, static_cast<std::uint8_t>(random.below(address.bit_count() + 1))};
        table.insert(added, peer);
        naive.insert(added, peer);
        used.push_back(added);
      } else if (random.below(200) == 0) {
        table.remove_all(peer);
        naive.remove_all(peer);
      } else if (!used.empty()) {
        const IpPrefix gone = used[random.below(static_cast<std::uint32_t>(used.size()))];
        Peer* const owner = random.below(8) == 0 ? peer : naive.lookup(gone.masked().address);
        table.remove(gone, owner);
        naive.remove(gone, owner);
      }
      ASSERT_EQ(table.size(), naive.size());
      for (int i = 0; i < 3; ++i) {
        const IpAddress probe = random_address(random, random.below(2) == 0);
        ASSERT_EQ(table.lookup(probe.family(), probe.bytes().data()), naive.lookup(probe))
            << to_string(probe) << " seed " << seed << " step " << step;
      }
    }
    for (std::uintptr_t number = 1; number <= kPeers; ++number) {
      EXPECT_THAT(table.entries(fake_peer(number)),
                  testing::UnorderedElementsAreArray(naive.entries(fake_peer(number))));
      table.remove_all(fake_peer(number));
    }
    EXPECT_EQ(table.size(), 0u);
  }
}

TEST_F(AllowedIpsTest, HoldsAMillionAddressesAndMovesThemAll) {
  constexpr std::uint32_t kCount = 1u << 20;
  const auto address = [](std::uint32_t i) { return IpAddress::v4(0x0a000000 + i); };
  for (std::uint32_t i = 0; i < kCount; ++i) table_.insert({address(i), 32}, fake_peer(1 + i));
  EXPECT_EQ(table_.size(), kCount);
  for (std::uint32_t i = 0; i < kCount; i += 97) {
    ASSERT_EQ(table_.lookup(IpFamily::kV4, address(i).bytes().data()), fake_peer(1 + i));
  }
  // One peer takes them all: a list with a million entries costs no more to change than a short one.
  for (std::uint32_t i = 0; i < kCount; ++i) table_.insert({address(i), 32}, a_);
  EXPECT_EQ(table_.entries(a_).size(), kCount);
  EXPECT_TRUE(table_.entries(fake_peer(500)).empty());
  table_.remove_all(a_);
  EXPECT_EQ(table_.size(), 0u);
  EXPECT_EQ(lookup("10.0.0.5"), nullptr);
}

}  // namespace
}  // namespace vpn::engine::protocol
