#include "host/detect_address.h"

#include <gtest/gtest.h>

#include "base/test_namespace.h"

namespace vpn::host {
namespace {

// A machine with two interfaces, up: uplink and tunnel.
class DetectAddress : public ::testing::Test {
 protected:
  DetectAddress() {
    lay_cable(machine_, "uplink", far_, "far0");
    const auto visit = far_.enter();
    ip("link set far0 up");
  }

  static void ip(const std::string& arguments) { TestNamespace::ip(arguments); }

  static std::string detected() {
    const auto address = detect_address();
    return address ? to_string(*address) : address.error().message;
  }

  TestNamespace machine_;
  TestNamespace far_;
  TestNamespace::Visit visit_ = machine_.enter();
};

TEST_F(DetectAddress, IsTheSourceOfTheDefaultRoute) {
  lay_cable(machine_, "lan", far_, "far1");
  ip("address add 192.168.7.1/24 dev lan");
  ip("link set lan up");
  ip("address add 198.51.100.4/24 dev uplink");
  ip("link set uplink up");
  ip("route add default via 198.51.100.1 src 198.51.100.4");
  EXPECT_EQ(detected(), "198.51.100.4");
}

TEST_F(DetectAddress, IsIpv6WhereThereIsNothingElse) {
  ip("address add 2001:db8:1::4/64 dev uplink nodad");
  ip("link set uplink up");
  ip("route add default via 2001:db8:1::1 dev uplink");
  EXPECT_EQ(detected(), "2001:db8:1::4");
}

TEST_F(DetectAddress, NeedsNoRoute) {
  ip("address add fd00::4/64 dev uplink nodad");
  ip("address add 169.254.3.3/16 dev uplink");
  ip("address add 192.168.7.1/24 dev uplink");
  ip("link set uplink up");
  EXPECT_EQ(detected(), "192.168.7.1");
}

TEST_F(DetectAddress, IsNeverATunnelsNorThatOfALinkThatIsDown) {
  ip("tuntap add name wg0 mode tun");
  ip("address add 192.168.2.1/24 dev wg0");
  ip("link set wg0 up");
  ip("address add 192.168.7.1/24 dev uplink");
  const auto address = detect_address();
  ASSERT_FALSE(address) << to_string(*address);
  EXPECT_EQ(address.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(address.error().field, "SERVER_IP");
  EXPECT_NE(address.error().message.find("SERVER_IP"), std::string::npos);
}

}  // namespace
}  // namespace vpn::host
