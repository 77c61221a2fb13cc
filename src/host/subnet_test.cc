#include "host/subnet.h"

#include <gtest/gtest.h>
#include <net/if.h>

namespace vpn::host {
namespace {

InterfaceAddress at(const std::string& name, const char* prefix, unsigned flags = IFF_UP) {
  return {name, flags, *IpPrefix::parse(prefix)};
}

const std::vector<InterfaceAddress> kPresent = {at("lo", "127.0.0.1/8", IFF_UP | IFF_LOOPBACK),
                                                at("lo", "::1/128", IFF_UP | IFF_LOOPBACK),
                                                at("lan0", "10.77.0.1/24"),
                                                at("lan0", "fe80::1/64"),
                                                at("lan0", "fd00:77::1/64"),
                                                at("wan0", "203.0.113.2/24"),
                                                at("off0", "10.88.0.1/24", 0),
                                                at("wg0", "192.168.2.1/24")};

// The message, or the networks within the subnet.
std::string judged(const char* subnet, const std::vector<InterfaceAddress>& present = kPresent) {
  const auto within = check_subnet(*IpPrefix::parse(subnet), "WG_SUBNET", "wg0", present);
  if (!within) return within.error().message;
  std::string text;
  for (const InterfaceAddress& entry : *within) text += entry.interface_name + " " + to_string(entry.prefix) + "\n";
  return text;
}

TEST(CheckSubnet, TakesAFreeOne) {
  for (const char* subnet : {"192.168.2.1/24", "192.168.2.1/16", "10.77.1.1/24", "10.88.0.1/24", "fd00:78::1/64"}) {
    EXPECT_EQ(judged(subnet), "") << subnet;
  }
}

TEST(CheckSubnet, RefusesTheSitesOwnAndPartsOfIt) {
  for (const char* subnet : {"10.77.0.1/24", "10.77.0.254/24", "10.77.0.129/25", "10.77.0.5/30"}) {
    const auto within = check_subnet(*IpPrefix::parse(subnet), "WG_SUBNET", "wg0", kPresent);
    ASSERT_FALSE(within) << subnet;
    EXPECT_EQ(within.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(within.error().field, "WG_SUBNET");
    for (const std::string part : {subnet, "lan0", "10.77.0.1/24", "for example 192.168.2.1/24"}) {
      EXPECT_NE(within.error().message.find(part), std::string::npos) << within.error().message;
    }
  }
  EXPECT_NE(judged("203.0.113.1/24").find("wan0"), std::string::npos);
}

TEST(CheckSubnet, IsOfEachFamilyByItself) {
  EXPECT_NE(judged("fd00:77::9/96").find("lan0, fd00:77::1/64"), std::string::npos);
  EXPECT_NE(judged("fd00:77::9/96").find("for example fd76:706e:656e::1/64"), std::string::npos);
}

TEST(CheckSubnet, NamesTheNetworksWithinAWiderOne) {
  EXPECT_EQ(judged("10.0.0.1/8"), "lan0 10.77.0.1/24\n");
  EXPECT_EQ(judged("10.77.0.9/23"), "lan0 10.77.0.1/24\n");
  EXPECT_EQ(judged("fd00::1/16"), "lan0 fd00:77::1/64\n");
}

TEST(CheckSubnet, OffersOnlyAFreeExample) {
  const std::vector<InterfaceAddress> present = {at("a", "192.168.0.1/16"), at("b", "10.0.0.1/8")};
  EXPECT_NE(judged("10.1.0.1/24", present).find("for example 172.29.99.1/24"), std::string::npos);
  EXPECT_EQ(judged("10.1.0.1/24", {at("a", "0.0.0.1/0")}).find("example"), std::string::npos);
}

}  // namespace
}  // namespace vpn::host
