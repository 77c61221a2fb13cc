#include "host/rules.h"

#include <gtest/gtest.h>

#include <set>

namespace vpn::host {
namespace {

RulesConfig config_of(const std::string& interface, const char* address) {
  return {.interface_name = interface, .addresses = {*IpPrefix::parse(address)}, .allowed_ips = "0.0.0.0/0,::/0"};
}

TEST(Rules, ReplaceTheRulesAndKeepTheChainsInOneTransaction) {
  EXPECT_EQ(*apply_text(config_of("wg0", "192.168.2.1/24")), R"(add table inet vpn_enabler_wg0
flush table inet vpn_enabler_wg0
table inet vpn_enabler_wg0 {
  chain from_clients {
    ip saddr != 192.168.2.0/24 drop
    ip daddr 127.0.0.0/8 drop
    meta nfproto ipv6 drop
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname "wg0" jump from_clients
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    iifname "wg0" jump from_clients
    iifname "wg0" tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
    oifname "wg0" tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 192.168.2.0/24 oifname != { "lo", "wg0" } masquerade
  }
}
)");
}

TEST(Rules, LimitDestinationsUnlessEverythingIsAllowed) {
  RulesConfig config = config_of("wg0", "192.168.2.1/24");
  config.addresses.push_back(*IpPrefix::parse("fd00::1/64"));
  config.allowed_ips = "10.0.0.0/8,192.168.2.1,10.1.2.3/16,::/0";
  config.closed_tcp_port = 3000;
  const std::string text = *apply_text(config);
  EXPECT_NE(text.find(R"(
    ip saddr != 192.168.2.0/24 drop
    ip daddr 127.0.0.0/8 drop
    ip6 saddr != fd00::/64 drop
    ip6 daddr ::1 drop
    ct state established,related ct direction reply return
    ip daddr 192.168.2.1 icmp type echo-request return
    ip daddr 10.0.0.0/8 return
    ip daddr 192.168.2.1/32 return
    ip daddr 10.1.0.0/16 return
    meta nfproto ipv6 return
    drop
)"),
            text.npos)
      << text;
  EXPECT_NE(text.find("    iifname \"wg0\" tcp dport 3000 drop\n    iifname \"wg0\" jump from_clients\n"), text.npos);
}

TEST(Rules, RefuseWhatAreNoPrefixes) {
  for (const char* allowed : {"", ",", "10.0.0.0/8,", "10.0.0.0/33", "10.0.0.0/8 }", "everything"}) {
    RulesConfig config = config_of("wg0", "192.168.2.1/24");
    config.allowed_ips = allowed;
    const auto text = apply_text(config);
    ASSERT_FALSE(text) << allowed;
    EXPECT_EQ(text.error().field, "PEER_ALLOWED_IPS");
  }
}

TEST(Rules, ClearTheTablesOfEarlierInterfacesFirst) {
  RulesConfig config = config_of("wg1", "192.168.2.1/24");
  const std::string without = *apply_text(config);
  config.earlier_interfaces = {"wg0", "wg9"};
  EXPECT_EQ(*apply_text(config), *remove_text("wg0") + *remove_text("wg9") + without);
}

TEST(Rules, HaveNoNatChainWithoutMasquerade) {
  RulesConfig config = config_of("wg0", "192.168.2.1/24");
  config.masquerade = false;
  EXPECT_EQ(apply_text(config)->find("masquerade"), std::string::npos);
  EXPECT_NE(apply_text(config)->find("maxseg"), std::string::npos);
}

TEST(Rules, MasqueradeAnIpv6Subnet) {
  EXPECT_NE(apply_text(config_of("wg0", "fd00::1/64"))->find("ip6 saddr fd00::/64 "), std::string::npos);
}

TEST(Rules, RemoveTheTableWhetherItStandsOrNot) {
  EXPECT_EQ(*remove_text("wg0"), "add table inet vpn_enabler_wg0\ndelete table inet vpn_enabler_wg0\n");
}

TEST(Rules, GiveEveryInterfaceATableOfItsOwn) {
  EXPECT_EQ(table_name("wg+0"), "vpn_enabler_wg/2b0");
  const std::set<std::string> names = {table_name("wg0"),  table_name("wg1"),   table_name("wg=0"), table_name("wg+0"),
                                       table_name("wg_0"), table_name("wg-0"),  table_name("wg.0"), table_name("WG0"),
                                       table_name("2b0"),  table_name("wg2b0"), table_name("wg3d0")};
  EXPECT_EQ(names.size(), 11u);
}

TEST(Rules, RefuseWhatIsNoInterfaceName) {
  for (const char* name :
       {"", "sixteen-letters-", "wg 0", "wg0\"", "wg0;", "wg0\n", "wg/0", "wg*", "w\xc3\xa9g", "$(id)", "{wg0}"}) {
    const auto text = apply_text(config_of(name, "192.168.2.1/24"));
    ASSERT_FALSE(text) << name;
    EXPECT_EQ(text.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(text.error().field, "WG_INTERFACE");
    EXPECT_FALSE(remove_text(name)) << name;
    RulesConfig renamed = config_of("wg0", "192.168.2.1/24");
    renamed.earlier_interfaces = {name};
    EXPECT_FALSE(apply_text(renamed)) << name;
  }
  EXPECT_TRUE(apply_text(config_of("fifteen-letters", "192.168.2.1/24")));
}

TEST(Rules, RefuseAnythingButOneAddressOfAFamily) {
  const IpPrefix own = *IpPrefix::parse("192.168.2.1/24");
  for (const std::vector<IpPrefix>& addresses : {std::vector<IpPrefix>{}, {IpPrefix{}}, {own, own}}) {
    RulesConfig config = config_of("wg0", "192.168.2.1/24");
    config.addresses = addresses;
    const auto text = apply_text(config);
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().field, "WG_SUBNET");
  }
}

}  // namespace
}  // namespace vpn::host
