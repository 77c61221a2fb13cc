#include "host/link.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <sstream>

#include "base/test_namespace.h"
#include "host/interface_addresses.h"
#include "host/test_read_only_proc.h"

namespace vpn::host {
namespace {

// An interface wg0, down and without an address. It is one end of a cable, for want of a tunnel.
class Link : public ::testing::Test {
 protected:
  Link() {
    lay_cable(namespace_, "wg0", namespace_, "far");
    TestNamespace::ip("link set far up");
  }

  static LinkConfig config_of(const std::vector<const char*>& addresses, int mtu_bytes = 1420) {
    LinkConfig config{.interface_name = "wg0", .addresses = {}, .mtu_bytes = mtu_bytes};
    for (const char* text : addresses) config.addresses.push_back(*IpPrefix::parse(text));
    return config;
  }

  // As text and sorted; link-local ones left out.
  static std::vector<std::string> addresses() {
    const auto present = interface_addresses();
    std::vector<std::string> texts;
    for (const InterfaceAddress& entry : *present) {
      if (entry.interface_name == "wg0" && !is_link_local(entry.prefix.address))
        texts.push_back(to_string(entry.prefix));
    }
    std::ranges::sort(texts);
    return texts;
  }

  static ifreq ask(unsigned long what) {
    ifreq request{};
    std::strcpy(request.ifr_name, "wg0");
    const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    EXPECT_EQ(ioctl(socket.get(), what, &request), 0);
    return request;
  }

  // Whether the IPv4 routing table has a route through wg0 to the network, which stands there in hexadecimal and host
  // order.
  static bool has_route(const std::string& network_hex) {
    std::stringstream table;
    table << std::ifstream("/proc/thread-self/net/route").rdbuf();
    return table.str().find("wg0\t" + network_hex + "\t") != std::string::npos;
  }

 private:
  TestNamespace namespace_;
  TestNamespace::Visit visit_ = namespace_.enter();
};

constexpr const char* kNetwork192_168_2 = "0002A8C0";
constexpr const char* kNetwork10_9 = "0000090A";

using Texts = std::vector<std::string>;

TEST_F(Link, GetsMtuAddressesAndRouteAndComesUp) {
  const Status status = configure_link(config_of({"192.168.2.1/24", "fd00::1/64"}));
  ASSERT_TRUE(status) << status.error().message;
  EXPECT_EQ(addresses(), (Texts{"192.168.2.1/24", "fd00::1/64"}));
  EXPECT_EQ(ask(SIOCGIFMTU).ifr_mtu, 1420);
  EXPECT_NE(ask(SIOCGIFFLAGS).ifr_flags & IFF_UP, 0);
  EXPECT_TRUE(has_route(kNetwork192_168_2));
}

TEST_F(Link, StaysAsItIsWhenItIsSoAlready) {
  ASSERT_TRUE(configure_link(config_of({"192.168.2.1/24", "fd00::1/64"})));
  // Such a route goes when the address or the link goes, if only for a moment.
  TestNamespace::ip("route add 10.9.0.0/16 via 192.168.2.2 dev wg0");
  ASSERT_TRUE(has_route(kNetwork10_9));
  ASSERT_TRUE(configure_link(config_of({"192.168.2.1/24", "fd00::1/64"})));
  EXPECT_TRUE(has_route(kNetwork10_9));
  EXPECT_EQ(addresses(), (Texts{"192.168.2.1/24", "fd00::1/64"}));
}

TEST_F(Link, LosesAddressesThatAreNotWanted) {
  ASSERT_TRUE(configure_link(config_of({"192.168.2.1/24", "10.1.0.1/16", "fd00::1/64"})));
  ASSERT_TRUE(configure_link(config_of({"192.168.3.1/24"})));
  EXPECT_EQ(addresses(), Texts{"192.168.3.1/24"});
  EXPECT_FALSE(has_route(kNetwork192_168_2));
}

TEST_F(Link, ChangesItsAddressInsideOneSubnet) {
  ASSERT_TRUE(configure_link(config_of({"192.168.2.1/24"})));
  ASSERT_TRUE(configure_link(config_of({"192.168.2.5/24"})));
  EXPECT_EQ(addresses(), Texts{"192.168.2.5/24"});
  EXPECT_TRUE(has_route(kNetwork192_168_2));
}

TEST_F(Link, KeepsASecondaryWhosePrimaryGoes) {
  ASSERT_TRUE(configure_link(config_of({"192.168.2.1/24", "192.168.2.5/24", "192.168.2.6/24"})));
  ASSERT_TRUE(configure_link(config_of({"192.168.2.5/24"})));
  EXPECT_EQ(addresses(), Texts{"192.168.2.5/24"});
}

TEST_F(Link, HasIpv6AlsoWhereItIsSwitchedOff) {
  constexpr const char* kSwitch = "/proc/sys/net/ipv6/conf/wg0/disable_ipv6";
  std::ofstream(kSwitch) << 1;
  {
    const ReadOnlyProc read_only;
    ASSERT_TRUE(configure_link(config_of({"192.168.2.1/24"})));
    const Status status = configure_link(config_of({"192.168.2.1/24", "fd00:2::1/64"}));
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kPermissionDenied);
    for (const char* part :
         {"net.ipv6.conf.wg0.disable_ipv6", "Read-only file system", "--sysctl net.ipv6.conf.all.disable_ipv6=0"}) {
      EXPECT_NE(status.error().message.find(part), std::string::npos) << part << " in: " << status.error().message;
    }
  }
  const Status status = configure_link(config_of({"192.168.2.1/24", "fd00:2::1/64"}));
  EXPECT_TRUE(status) << status.error().message;
  EXPECT_EQ(addresses(), (Texts{"192.168.2.1/24", "fd00:2::1/64"}));
}

TEST_F(Link, HasARouteToItsIpv6SubnetAlsoAfterItWasDown) {
  const auto has_ipv6_route = [] {
    std::stringstream table;
    table << std::ifstream("/proc/thread-self/net/ipv6_route").rdbuf();
    for (std::string line; std::getline(table, line);) {
      if (line.starts_with("fd000002000000000000000000000000 40 ") && line.ends_with("wg0")) return true;
    }
    return false;
  };
  ASSERT_TRUE(configure_link(config_of({"192.168.2.1/24", "fd00:2::1/64"})));
  EXPECT_TRUE(has_ipv6_route());
  TestNamespace::ip("link set wg0 down");
  ASSERT_TRUE(configure_link(config_of({"192.168.2.1/24", "fd00:2::1/64"})));
  EXPECT_TRUE(has_ipv6_route());
  ASSERT_TRUE(configure_link(config_of({"192.168.2.1/24"})));
  EXPECT_FALSE(has_ipv6_route());
  EXPECT_EQ(addresses(), Texts{"192.168.2.1/24"});
}

TEST_F(Link, IsNamedWhenItDoesNotExist) {
  LinkConfig config = config_of({"192.168.2.1/24"});
  config.interface_name = "wg7";
  const Status status = configure_link(config);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kNotFound);
  EXPECT_NE(status.error().message.find("wg7"), std::string::npos);
}

TEST_F(Link, PassesOnTheKernelsReason) {
  const Status status = configure_link(config_of({"192.168.2.1/24"}, 70'000));
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().message,
            "cannot set the MTU of wg0 to 70000: Invalid argument (mtu greater than device maximum)");
  EXPECT_EQ(addresses(), Texts{});
}

TEST_F(Link, NamesTheMissingCapability) {
  without_net_admin([] {
    const Status status = configure_link(config_of({"192.168.2.1/24"}));
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, ErrorCode::kPermissionDenied);
    EXPECT_NE(status.error().message.find("NET_ADMIN"), std::string::npos) << status.error().message;
  });
}

}  // namespace
}  // namespace vpn::host
