#include "host/host_watch.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <fstream>

#include "base/test_namespace.h"
#include "host/linux_host.h"
#include "host/nftables.h"

namespace vpn::host {
namespace {

const RulesConfig kRules{
    .interface_name = "wg0", .addresses = {*IpPrefix::parse("192.168.2.1/24")}, .allowed_ips = "10.0.0.0/8"};
const LinkConfig kLink{"wg0", {*IpPrefix::parse("192.168.2.1/24")}, 1420};

void nft(const std::string& commands) {
  const auto done = run_nftables(commands + "\n");
  ASSERT_TRUE(done) << done.error().message;
}

// wg0 as the gateway leaves it.
class HostWatchTest : public ::testing::Test {
 protected:
  HostWatchTest() {
    TestNamespace::ip("link add wg0 type veth peer name other");
    EXPECT_TRUE(host_.apply_rules(kRules));
    EXPECT_TRUE(host_.enable_forwarding(kLink));
    EXPECT_TRUE(host_.configure_link(kLink));
    watch_ = *HostWatch::open("wg0");
  }

  bool readable() const {
    pollfd waiting{watch_->fd(), POLLIN, 0};
    return poll(&waiting, 1, 0) == 1;
  }
  bool rules_changed() const { return watch_->read().rules; }
  bool link_changed() const { return watch_->read().link; }
  std::string fault() {
    const Status checked = host_.check_link(kLink);
    return checked ? "" : checked.error().message;
  }

  TestNamespace namespace_;
  TestNamespace::Visit visit_ = namespace_.enter();
  LinuxHost host_;
  std::optional<HostWatch> watch_;
};

TEST_F(HostWatchTest, SleepsWhileNothingHappens) {
  EXPECT_FALSE(readable());
  EXPECT_FALSE(rules_changed());
  EXPECT_FALSE(link_changed());
}

TEST_F(HostWatchTest, TellsWhatBecomesOfOurTable) {
  for (const char* change :
       {"insert rule inet vpn_enabler_wg0 from_clients accept", "flush chain inet vpn_enabler_wg0 from_clients",
        "delete table inet vpn_enabler_wg0", "flush ruleset"}) {
    ASSERT_TRUE(host_.apply_rules(kRules));
    EXPECT_TRUE(host_.rules_stand().value());
    (void)watch_->read();
    nft(change);
    EXPECT_TRUE(readable()) << change;
    EXPECT_TRUE(rules_changed()) << change;
    EXPECT_FALSE(host_.rules_stand().value()) << change;
  }
}

TEST_F(HostWatchTest, HeedsNobodyElsesTable) {
  nft("table inet others { chain input { type filter hook input priority 0; }; }");
  nft("add table inet vpn_enabler_wg1");
  nft("delete table inet others");
  EXPECT_TRUE(readable());
  EXPECT_FALSE(rules_changed());
  EXPECT_FALSE(readable()) << "all of it was read";
  EXPECT_TRUE(host_.rules_stand().value());
}

TEST_F(HostWatchTest, TellsWhatBecomesOfTheLink) {
  EXPECT_EQ(fault(), "");
  TestNamespace::ip("link set wg0 down");
  EXPECT_TRUE(link_changed());
  EXPECT_NE(fault().find("wg0 is down"), std::string::npos) << fault();
  TestNamespace::ip("link set wg0 up");
  EXPECT_TRUE(link_changed());
  TestNamespace::ip("address flush dev wg0");
  EXPECT_TRUE(link_changed());
  EXPECT_NE(fault().find("192.168.2.1/24"), std::string::npos) << fault();
  TestNamespace::ip("address add 192.168.2.1/24 dev wg0");
  EXPECT_TRUE(link_changed());
  EXPECT_EQ(fault(), "");
}

TEST_F(HostWatchTest, TellsThatForwardingChanges) {
  std::ofstream("/proc/sys/net/ipv4/ip_forward") << "0\n" << std::flush;
  EXPECT_TRUE(link_changed());
  EXPECT_NE(fault().find("net.ipv4.ip_forward"), std::string::npos) << fault();
}

TEST_F(HostWatchTest, HeedsNobodyElsesLink) {
  TestNamespace::ip("link add name third type veth peer name fourth");
  TestNamespace::ip("link delete third");
  EXPECT_TRUE(readable());
  // A new link tells its forwarding, too; that is looked at, and found well.
  (void)watch_->read();
  EXPECT_EQ(fault(), "");
}

// More at once than the socket holds: what was lost may have been about us.
TEST_F(HostWatchTest, TakesLostMessagesForNews) {
  std::string many;
  for (int i = 0; i < 4000; ++i) many += "add chain inet others c" + std::to_string(i) + "\n";
  nft("add table inet others");
  nft(many);
  EXPECT_TRUE(rules_changed());
  EXPECT_TRUE(host_.rules_stand().value());
}

TEST_F(HostWatchTest, NeedsTheInterface) {
  const auto watch = HostWatch::open("wg7");
  ASSERT_FALSE(watch);
  EXPECT_EQ(watch.error().code, ErrorCode::kNotFound);
}

}  // namespace
}  // namespace vpn::host
