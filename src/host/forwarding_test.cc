#include "host/forwarding.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <chrono>
#include <fstream>
#include <functional>
#include <sstream>
#include <thread>

#include "base/ip.h"
#include "base/test_namespace.h"
#include "host/test_read_only_proc.h"

namespace vpn::host {
namespace {

constexpr const char* kIpv4 = "/proc/sys/net/ipv4/ip_forward";
constexpr const char* kIpv6 = "/proc/sys/net/ipv6/conf/all/forwarding";

std::string content(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

void set(const std::string& path, int value) {
  std::ofstream(path) << value << '\n';
  ASSERT_EQ(content(path), std::to_string(value) + "\n");
}

void expect_the_cure(const Status& status, const std::string& setting) {
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kPermissionDenied);
  for (const std::string& part : {std::string("Read-only file system"), "sysctl -w " + setting, "--sysctl " + setting,
                                  std::string("securityContext.sysctls")}) {
    EXPECT_NE(status.error().message.find(part), std::string::npos) << part << " in: " << status.error().message;
  }
}

class Forwarding : public ::testing::Test {
  TestNamespace namespace_;
  TestNamespace::Visit visit_ = namespace_.enter();
};

TEST_F(Forwarding, IsSwitchedOn) {
  set(kIpv4, 0);
  set(kIpv6, 0);
  EXPECT_TRUE(enable_ipv4_forwarding());
  EXPECT_EQ(content(kIpv4), "1\n");
  EXPECT_EQ(content(kIpv6), "0\n") << "of the other family";
  EXPECT_TRUE(enable_ipv4_forwarding());
  EXPECT_TRUE(enable_ipv6_forwarding("wg0"));
  EXPECT_EQ(content(kIpv6), "1\n");
  EXPECT_TRUE(enable_ipv6_forwarding("wg0"));
}

TEST_F(Forwarding, MayBeOnAlreadyInAReadOnlyProc) {
  set(kIpv4, 1);
  set(kIpv6, 1);
  const ReadOnlyProc read_only;
  EXPECT_TRUE(enable_ipv4_forwarding());
  EXPECT_TRUE(enable_ipv6_forwarding("wg0"));
}

TEST_F(Forwarding, NamesTheCureWhenItIsOffInAReadOnlyProc) {
  set(kIpv4, 0);
  set(kIpv6, 0);
  const ReadOnlyProc read_only;
  expect_the_cure(enable_ipv4_forwarding(), "net.ipv4.ip_forward=1");
  expect_the_cure(enable_ipv6_forwarding("wg0"), "net.ipv6.conf.all.forwarding=1");
  EXPECT_EQ(content(kIpv4), "0\n");
  EXPECT_EQ(content(kIpv6), "0\n");
}

TEST_F(Forwarding, NamesTheCureWithoutProc) {
  const Status status = enable_ipv4_forwarding("/proc/sys/net/ipv4/no_such_switch");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kPermissionDenied);
}

TEST_F(Forwarding, SaysThatTheKernelHasNoIpv6) {
  const Status status = enable_ipv6_forwarding("wg0", "/proc/sys/net/no_such_family/conf");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnsupported);
  EXPECT_EQ(status.error().field, "WG_SUBNET6");
}

// A router that advertises itself, fe80::1 on its link, and this machine at the other end of the cable.
//
//     router ns  lan -------- uplink  this ns
class Router : public ::testing::Test {
 protected:
  Router() {
    lay_cable(here_, "uplink", router_, "lan");
    TestNamespace::ip("link set uplink up");
    const auto visit = router_.enter();
    TestNamespace::ip("address add fe80::1/64 dev lan nodad");
    TestNamespace::ip("link set lan up");
    socket_ = UniqueFd(::socket(AF_INET6, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMPV6));
    const int hops = 255;
    CHECK(setsockopt(socket_.get(), IPPROTO_IPV6, IPV6_MULTICAST_HOPS, &hops, sizeof hops) == 0);
    lan_ = if_nametoindex("lan");
    sockaddr_storage own{};
    const socklen_t size = Endpoint{*IpAddress::parse("fe80::1"), 0, lan_}.to_sockaddr(own);
    CHECK(bind(socket_.get(), reinterpret_cast<sockaddr*>(&own), size) == 0);
  }

  /// Zero: it is no router any longer.
  void advertise(std::uint16_t lifetime_s) {
    nd_router_advert advertisement{};
    advertisement.nd_ra_type = ND_ROUTER_ADVERT;
    advertisement.nd_ra_router_lifetime = htons(lifetime_s);
    sockaddr_storage all_nodes{};
    const socklen_t size = Endpoint{*IpAddress::parse("ff02::1"), 0, lan_}.to_sockaddr(all_nodes);
    // Before the link's end is ready, there is nobody to be told.
    (void)sendto(socket_.get(), &advertisement, sizeof advertisement, 0, reinterpret_cast<sockaddr*>(&all_nodes), size);
  }

  static bool has_default_route() {
    std::istringstream table(content("/proc/thread-self/net/ipv6_route"));
    for (std::string line; std::getline(table, line);) {
      if (line.starts_with(std::string(32, '0') + " 00 ") && line.ends_with("uplink")) return true;
    }
    return false;
  }

  /// Advertises until the kernel has drawn the consequence.
  bool hears(std::uint16_t lifetime_s) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (has_default_route() != (lifetime_s != 0)) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      advertise(lifetime_s);
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return true;
  }

  static std::string accept_ra(const std::string& name) { return "/proc/sys/net/ipv6/conf/" + name + "/accept_ra"; }

 private:
  TestNamespace here_, router_;
  TestNamespace::Visit visit_ = here_.enter();
  UniqueFd socket_;
  unsigned lan_ = 0;
};

TEST_F(Router, IsHeededAsBeforeWhenForwardingIsSwitchedOn) {
  set(accept_ra("uplink"), 1);
  ASSERT_TRUE(hears(1800));
  EXPECT_TRUE(enable_ipv6_forwarding("wg0"));
  EXPECT_EQ(content(kIpv6), "1\n");
  EXPECT_TRUE(has_default_route()) << "the machine lost its way out";
  EXPECT_TRUE(hears(0)) << "it does not listen any longer";
  EXPECT_TRUE(hears(1800));
}

TEST_F(Router, IsHeededByNobodyElseThanBefore) {
  TestNamespace::ip("link add wg0 type veth peer name deaf");
  set(accept_ra("wg0"), 1);
  set(accept_ra("deaf"), 0);
  set(accept_ra("default"), 1);
  EXPECT_TRUE(enable_ipv6_forwarding("wg0"));
  TestNamespace::ip("link add later type veth peer name other");
  EXPECT_EQ(content(accept_ra("wg0")), "1\n") << "which means no, where it forwards";
  EXPECT_EQ(content(accept_ra("deaf")), "0\n");
  EXPECT_EQ(content(accept_ra("later")), "2\n");
}

// Somebody has made this machine a router before us, and said whom it heeds.
TEST_F(Router, IsLeftToThoseWhoSwitchedForwardingOn) {
  set(accept_ra("uplink"), 1);
  set(kIpv6, 1);
  EXPECT_TRUE(enable_ipv6_forwarding("wg0"));
  EXPECT_EQ(content(accept_ra("uplink")), "1\n");
}

}  // namespace
}  // namespace vpn::host
