#include "control/service/address_pool.h"

#include <gtest/gtest.h>

#include <set>

#include "base/random.h"

namespace vpn::control {
namespace {

AddressPool pool(const char* gateway) {
  auto created = AddressPool::create(*IpPrefix::parse(gateway));
  EXPECT_TRUE(created) << created.error().message;
  return *created;
}

std::string next(AddressPool& from) {
  const auto address = from.allocate();
  return address ? to_string(*address) : "none";
}

IpAddress ip(const char* text) {
  return *IpAddress::parse(text);
}

TEST(AddressPool, HoldsTwoHundredFiftyThreeClientsInASlash24) {
  AddressPool addresses = pool("192.168.2.1/24");
  EXPECT_EQ(addresses.capacity(), 253u);
  for (int last = 2; last <= 254; ++last) EXPECT_EQ(next(addresses), "192.168.2." + std::to_string(last));
  EXPECT_EQ(next(addresses), "none");
}

TEST(AddressPool, LeavesOutTheGatewayWhereverItStands) {
  AddressPool middle = pool("10.0.0.2/29"), end = pool("10.0.0.6/29"), smallest = pool("10.0.0.1/30");
  EXPECT_EQ(next(middle), "10.0.0.1");
  EXPECT_EQ(next(middle), "10.0.0.3");
  EXPECT_EQ(middle.capacity(), 5u);
  for (int last = 1; last <= 5; ++last) EXPECT_EQ(next(end), "10.0.0." + std::to_string(last));
  EXPECT_EQ(next(end), "none");
  EXPECT_EQ(next(smallest), "10.0.0.2");
  EXPECT_EQ(next(smallest), "none");
}

TEST(AddressPool, HandsOutTheLowestFreeAddressAfterARelease) {
  AddressPool addresses = pool("192.168.2.1/24");
  for (int i = 0; i < 10; ++i) (void)next(addresses);
  addresses.release(ip("192.168.2.7"));
  addresses.release(ip("192.168.2.4"));
  EXPECT_EQ(next(addresses), "192.168.2.4");
  EXPECT_EQ(next(addresses), "192.168.2.7");
  EXPECT_EQ(next(addresses), "192.168.2.12");
}

TEST(AddressPool, TakesEachAddressOnce) {
  AddressPool addresses = pool("192.168.2.1/24");
  EXPECT_TRUE(addresses.take(ip("192.168.2.2")));
  EXPECT_FALSE(addresses.take(ip("192.168.2.2")));
  for (const char* never : {"192.168.2.0", "192.168.2.1", "192.168.2.255", "192.168.3.2", "::2"}) {
    EXPECT_FALSE(addresses.take(ip(never))) << never;
    EXPECT_FALSE(addresses.contains(ip(never))) << never;
  }
  EXPECT_TRUE(addresses.contains(ip("192.168.2.2")));
  EXPECT_EQ(next(addresses), "192.168.2.3");
}

TEST(AddressPool, RefusesWhatIsNoSubnetForClients) {
  for (const char* gateway : {"10.0.0.1/31", "10.0.0.1/32", "10.0.0.1/7", "0.0.0.0/0", "fd00::1/64", "192.168.2.0/24",
                              "192.168.2.255/24", "10.0.0.0/30", "10.0.0.3/30"}) {
    const auto refused = AddressPool::create(*IpPrefix::parse(gateway));
    ASSERT_FALSE(refused) << gateway;
    EXPECT_EQ(refused.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(refused.error().field, "WG_SUBNET");
    EXPECT_NE(refused.error().message.find(gateway), std::string::npos) << refused.error().message;
    EXPECT_NE(refused.error().message.find("192.168.2.1/24"), std::string::npos) << refused.error().message;
  }
}

TEST(AddressPool, AgreesWithANaiveModel) {
  AddressPool addresses = pool("10.1.2.77/25");
  std::set<std::uint32_t> free;
  for (std::uint32_t number = 0x0a010201; number < 0x0a01027f; ++number) {
    if (number != 0x0a01024d) free.insert(number);
  }
  SeededRandom random(7);
  for (int step = 0; step < 200'000; ++step) {
    const IpAddress address = IpAddress::v4(0x0a010200 + random.below(130));
    const bool for_clients = addresses.contains(address);
    switch (random.below(3)) {
      case 0: {
        const auto allocated = addresses.allocate();
        ASSERT_EQ(allocated.has_value(), !free.empty());
        if (allocated) {
          ASSERT_EQ(allocated->v4_host_order(), *free.begin());
          free.erase(free.begin());
        }
        break;
      }
      case 1:
        ASSERT_EQ(addresses.take(address), free.erase(address.v4_host_order()) == 1);
        break;
      default:
        if (for_clients && free.insert(address.v4_host_order()).second) addresses.release(address);
    }
  }
}

TEST(AddressPool, FillsHundredsOfThousandsOfASlash8) {
  AddressPool addresses = pool("10.0.0.1/8");
  EXPECT_EQ(addresses.capacity(), (1u << 24) - 3);
  // As the original enabler left them: spread at random.
  SeededRandom random(3);
  std::set<std::uint32_t> taken;
  while (taken.size() < 200'000) {
    const std::uint32_t number = 0x0a000002 + random.below((1u << 24) - 3);
    ASSERT_EQ(addresses.take(IpAddress::v4(number)), taken.insert(number).second);
  }
  for (std::uint32_t expected = 0x0a000002; taken.size() < 400'000; ++expected) {
    if (taken.contains(expected)) continue;
    ASSERT_EQ(addresses.allocate()->v4_host_order(), expected);
    taken.insert(expected);
  }
  for (const std::uint32_t number : taken) addresses.release(IpAddress::v4(number));
  EXPECT_EQ(next(addresses), "10.0.0.2");
}

TEST(AddressPool, AllocatesFromAPlaceOnAndThenFromTheLowest) {
  auto pool = AddressPool::create(*IpPrefix::parse("192.168.2.1/29"));
  const auto allocate = [&](std::size_t place) { return to_string(pool->allocate_from(place).value_or(IpAddress())); };
  EXPECT_EQ(allocate(3), "192.168.2.4");
  EXPECT_EQ(allocate(3), "192.168.2.5");
  EXPECT_EQ(allocate(1), "192.168.2.2");
  EXPECT_EQ(allocate(99), "192.168.2.6");
  EXPECT_EQ(allocate(99), "192.168.2.3");
  EXPECT_EQ(pool->allocate_from(0), std::nullopt);
}

}  // namespace
}  // namespace vpn::control
