#include "control/service/roster.h"

#include <gtest/gtest.h>

#include <set>

#include "control/store/test_clients.h"

namespace vpn::control {
namespace {

class RosterTest : public testing::Test {
 protected:
  /// A creation with a number's key and name, and the address that the roster gives it.
  Client begin(int number) {
    Client creation = contract::client(number);
    creation.address = roster_.begin(creation.public_key, creation.name, random_).value_or(IpAddress());
    return creation;
  }
  std::size_t free_addresses() {
    std::vector<Client> taken;
    for (int number = 100; taken.empty() || taken.back().address != IpAddress(); ++number)
      taken.push_back(begin(number));
    for (const Client& creation : taken) roster_.end(creation);
    return taken.size() - 1;
  }

  SeededRandom random_{1};
  Roster roster_{*AddressPool::create(*IpPrefix::parse("192.168.2.1/29"))};  // five addresses, from .2 on
  Roster::Keys changed_;
};

TEST_F(RosterTest, KeepsTheAddressOfACreationThatBecameAClientAndFreesThatOfOneThatDidNot) {
  const Client one = begin(11), other = begin(12);
  roster_.put(one, changed_);
  roster_.end(one);
  roster_.end(other);
  EXPECT_EQ(free_addresses(), 4u);
  EXPECT_EQ(changed_, Roster::Keys{one.public_key});
  roster_.erase(one.public_key, changed_);
  EXPECT_EQ(free_addresses(), 5u);
}

TEST_F(RosterTest, KeepsAnAddressThatACreationAsksForWhenTheClientThatHadItGoes) {
  const Client creation = begin(11);
  Client foreign = contract::client(12);
  foreign.address = creation.address;
  roster_.put(foreign, changed_);
  roster_.erase(foreign.public_key, changed_);
  EXPECT_EQ(free_addresses(), 4u);
  roster_.end(creation);
  EXPECT_EQ(free_addresses(), 5u);
}

TEST_F(RosterTest, KeepsARefusedAddressOutOfUseUntilItIsForgotten) {
  Client creation = begin(11);
  const IpAddress refused = creation.address;
  creation.address = *roster_.begin_again(creation, random_);
  EXPECT_NE(creation.address, refused);
  EXPECT_EQ(roster_.refusals(creation.public_key), 1u);
  roster_.end(creation);
  EXPECT_EQ(free_addresses(), 4u);
  roster_.forget(refused);
  roster_.forget(refused);
  EXPECT_EQ(free_addresses(), 5u);
}

TEST_F(RosterTest, ForgettingARefusalLeavesTheAddressToTheClientThatHasIt) {
  Client creation = begin(11);
  Client foreign = contract::client(12);
  foreign.address = creation.address;
  creation.address = *roster_.begin_again(creation, random_);
  roster_.put(foreign, changed_);
  roster_.forget(foreign.address);
  roster_.end(creation);
  EXPECT_EQ(free_addresses(), 4u);
}

TEST_F(RosterTest, LetsTheNewestClientTakeKeyAddressAndNameFromThoseThatAreGone) {
  for (const int number : {2, 3, 4}) roster_.put(contract::client(number), changed_);
  changed_.clear();
  Client heir = contract::client(2);
  heir.address = contract::client(3).address;
  heir.name = contract::client(4).name;
  roster_.put(heir, changed_);
  EXPECT_EQ(roster_.clients().size(), 1u);
  EXPECT_EQ(*roster_.clients().find_by_name(heir.name), heir);
  EXPECT_EQ(std::set(changed_.begin(), changed_.end()),
            (std::set{contract::key(2), contract::key(3), contract::key(4)}));
  EXPECT_EQ(free_addresses(), 4u);
}

TEST_F(RosterTest, TellsOnlyDifferencesWhenAllIsReplaced) {
  std::vector<Client> stored{contract::client(2), contract::client(3), contract::client(4)};
  roster_.replace(stored, changed_);
  changed_.clear();
  roster_.replace(stored, changed_);
  EXPECT_TRUE(changed_.empty());
  stored[1].enabled = false;
  stored[2] = contract::client(5);
  roster_.replace(stored, changed_);
  EXPECT_EQ(std::set(changed_.begin(), changed_.end()),
            (std::set{contract::key(3), contract::key(4), contract::key(5)}));
}

}  // namespace
}  // namespace vpn::control
