#include "control/model/network.h"

#include <gtest/gtest.h>

#include <array>

#include "base/random.h"

namespace vpn::control {
namespace {

TEST(EmbedV4, PutsTheAddressBehindTheNetwork) {
  const auto embedded = [](const char* network, const char* v4) {
    return to_string(embed_v4(*IpPrefix::parse(network), *IpAddress::parse(v4)));
  };
  EXPECT_EQ(embedded("fd00:2::1/64", "192.168.2.7"), "fd00:2::c0a8:207");
  EXPECT_EQ(embed_v4(*IpPrefix::parse("fd00:2::/64"), *IpAddress::parse("192.168.2.7")),
            *IpAddress::parse("fd00:2::192.168.2.7"));
  EXPECT_EQ(embedded("2001:db8:1:2:3:4:5:6/96", "0.0.0.1"), "2001:db8:1:2:3:4:0:1");
  EXPECT_EQ(embedded("2001:db8:ffff::/33", "255.255.255.255"), "2001:db8:8000::ffff:ffff");
}

// Bit by bit: those of the network, zeros, those of the IPv4 address.
TEST(EmbedV4, IsWhatANaiveModelSays) {
  SeededRandom random(7);
  for (int round = 0; round < 2'000; ++round) {
    std::array<std::uint8_t, 21> drawn;
    random.fill(drawn);
    const IpPrefix network{IpAddress::v6_from_bytes(drawn.data()), static_cast<std::uint8_t>(drawn[20] % 97)};
    const IpAddress v4 = IpAddress::v4_from_bytes(&drawn[16]);
    const auto bit = [](ByteView bytes, unsigned at) { return bytes[at / 8] >> (7 - at % 8) & 1; };
    const IpAddress address = embed_v4(network, v4);
    for (unsigned at = 0; at < 128; ++at) {
      const int expected = at < network.length ? bit(network.address.bytes(), at)
                           : at < 96           ? 0
                                               : bit(v4.bytes(), at - 96);
      ASSERT_EQ(bit(address.bytes(), at), expected) << to_string(network) << " " << to_string(v4) << " bit " << at;
    }
    EXPECT_TRUE(network.contains(address));
  }
}

TEST(Network, HasIpv6AddressesForClientsOnlyWithASubnetForThem) {
  Network network;
  EXPECT_FALSE(network.ipv6_of(*IpAddress::parse("192.168.2.7")));
  network.gateway6 = IpPrefix::parse("fd00:2::1/64");
  EXPECT_EQ(network.ipv6_of(*IpAddress::parse("192.168.2.7")), IpAddress::parse("fd00:2::c0a8:207"));
}

}  // namespace
}  // namespace vpn::control
