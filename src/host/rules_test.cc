#include "host/rules.h"

#include <gtest/gtest.h>

#include <set>

namespace vpn::host {
namespace {

RulesConfig config_of(const std::string& interface, const char* subnet) {
  return {.interface_name = interface, .subnet = *IpPrefix::parse(subnet)};
}

TEST(Rules, ReplaceTheTableInOneTransaction) {
  EXPECT_EQ(*apply_text(config_of("wg0", "192.168.2.0/24")), R"(add table inet vpn_enabler_wg0
delete table inet vpn_enabler_wg0
table inet vpn_enabler_wg0 {
  chain forward {
    type filter hook forward priority filter; policy accept;
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

TEST(Rules, ClearTheTablesOfEarlierInterfacesFirst) {
  RulesConfig config = config_of("wg1", "192.168.2.0/24");
  const std::string without = *apply_text(config);
  config.earlier_interfaces = {"wg0", "wg9"};
  EXPECT_EQ(*apply_text(config), *remove_text("wg0") + *remove_text("wg9") + without);
}

TEST(Rules, HaveNoNatChainWithoutMasquerade) {
  RulesConfig config = config_of("wg0", "192.168.2.0/24");
  config.masquerade = false;
  EXPECT_EQ(apply_text(config)->find("masquerade"), std::string::npos);
  EXPECT_NE(apply_text(config)->find("maxseg"), std::string::npos);
}

TEST(Rules, MasqueradeAnIpv6Subnet) {
  EXPECT_NE(apply_text(config_of("wg0", "fd00::/64"))->find("ip6 saddr fd00::/64 "), std::string::npos);
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
    const auto text = apply_text(config_of(name, "192.168.2.0/24"));
    ASSERT_FALSE(text) << name;
    EXPECT_EQ(text.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(text.error().field, "WG_INTERFACE");
    EXPECT_FALSE(remove_text(name)) << name;
    RulesConfig renamed = config_of("wg0", "192.168.2.0/24");
    renamed.earlier_interfaces = {name};
    EXPECT_FALSE(apply_text(renamed)) << name;
  }
  EXPECT_TRUE(apply_text(config_of("fifteen-letters", "192.168.2.0/24")));
}

TEST(Rules, RefuseASubnetThatIsNoNetwork) {
  for (const RulesConfig& config :
       {config_of("wg0", "192.168.2.1/24"), RulesConfig{.interface_name = "wg0", .subnet = {}}}) {
    const auto text = apply_text(config);
    ASSERT_FALSE(text);
    EXPECT_EQ(text.error().field, "WG_SUBNET");
  }
}

}  // namespace
}  // namespace vpn::host
