#include "base/ip.h"

#include <gtest/gtest.h>

namespace vpn {
namespace {

TEST(IpAddress, ParsesAndPrints) {
  for (const char* text : {"0.0.0.0", "192.0.2.1", "255.255.255.255", "::", "::1", "2001:db8::1", "fe80::1:2:3"}) {
    ASSERT_TRUE(IpAddress::parse(text)) << text;
    EXPECT_EQ(to_string(*IpAddress::parse(text)), text);
  }
  for (const char* text :
       {"", "1.2.3", "1.2.3.256", "1.2.3.4 ", "01.2.3.4x", "::g", "fe80::1%2", "[::1]", "1.2.3.4/24"}) {
    EXPECT_FALSE(IpAddress::parse(text)) << text;
  }
  EXPECT_FALSE(IpAddress::parse(std::string_view("1.2.3.4\0x", 9)));
}

TEST(IpAddress, FamiliesDifferEvenWithTheSameBytes) {
  EXPECT_NE(*IpAddress::parse("0.0.0.0"), *IpAddress::parse("::"));
}

TEST(Endpoint, ParsesAndPrints) {
  for (const char* text : {"192.0.2.1:51820", "[2001:db8::1]:1", "[fe80::1%7]:65535"}) {
    ASSERT_TRUE(Endpoint::parse(text)) << text;
    EXPECT_EQ(to_string(*Endpoint::parse(text)), text);
  }
  for (const char* text : {"192.0.2.1", "192.0.2.1:", "192.0.2.1:65536", "[192.0.2.1]:1", "2001:db8::1:51820", "host:1",
                           "[::1]1", "[]:1", ":1", "[fe80::1%]:1", "[fe80::1%nosuchif]:1"}) {
    EXPECT_FALSE(Endpoint::parse(text)) << text;
  }
}

TEST(Endpoint, SurvivesSockaddr) {
  for (const char* text : {"192.0.2.1:51820", "[fe80::1%7]:2"}) {
    sockaddr_storage storage{};
    const Endpoint endpoint = *Endpoint::parse(text);
    EXPECT_GT(endpoint.to_sockaddr(storage), 0u);
    EXPECT_EQ(Endpoint::from_sockaddr(storage), endpoint);
  }
}

TEST(IpPrefix, ParsesMasksAndContains) {
  const IpPrefix prefix = *IpPrefix::parse("192.168.2.77/24");
  EXPECT_EQ(to_string(prefix), "192.168.2.77/24");
  EXPECT_EQ(to_string(prefix.masked()), "192.168.2.0/24");
  EXPECT_TRUE(prefix.contains(*IpAddress::parse("192.168.2.1")));
  EXPECT_FALSE(prefix.contains(*IpAddress::parse("192.168.3.1")));
  EXPECT_FALSE(prefix.contains(*IpAddress::parse("::1")));
  EXPECT_TRUE(IpPrefix::parse("::/0")->contains(*IpAddress::parse("2001:db8::1")));
  EXPECT_EQ(IpPrefix::parse("10.0.0.1")->length, 32);
  EXPECT_EQ(to_string(IpPrefix::parse("2001:db8:ffff::1/33")->masked()), "2001:db8:8000::/33");
  for (const char* text : {"10.0.0.1/33", "::/129", "10.0.0.1/", "10.0.0.1/-1", "/8", "10.0.0.0/8/8"}) {
    EXPECT_FALSE(IpPrefix::parse(text)) << text;
  }
}

}  // namespace
}  // namespace vpn
