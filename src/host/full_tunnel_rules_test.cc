#include "host/full_tunnel_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vpn::host {
namespace {

using testing::HasSubstr;

TEST(FullTunnelRules, GuardEachAddressAndKeepTheMarkOverAConnection) {
  const auto text = full_tunnel_text({"wg0", {*IpPrefix::parse("10.8.0.2/24"), *IpPrefix::parse("fd00::2/64")}, 51820});
  ASSERT_TRUE(text);
  EXPECT_EQ(*text, R"(add table inet vpn_tunnel_wg0
delete table inet vpn_tunnel_wg0
table inet vpn_tunnel_wg0 {
  chain guard {
    type filter hook prerouting priority raw; policy accept;
    iifname != "wg0" ip daddr 10.8.0.2 fib saddr type != local drop
    iifname != "wg0" ip6 daddr fd00::2 fib saddr type != local drop
  }
  chain save_mark {
    type filter hook postrouting priority mangle; policy accept;
    meta l4proto udp meta mark 51820 ct mark set meta mark
  }
  chain restore_mark {
    type filter hook prerouting priority mangle; policy accept;
    meta l4proto udp ct mark 51820 meta mark set ct mark
  }
}
)");
}

TEST(FullTunnelRules, TakeNoNameThatIsNone) {
  EXPECT_FALSE(full_tunnel_text({"wg0\" drop", {}, 1}));
  EXPECT_FALSE(remove_full_tunnel_text("wg0;"));
  EXPECT_THAT(*remove_full_tunnel_text("wg+0"), HasSubstr("delete table inet vpn_tunnel_wg/2b0\n"));
}

}  // namespace
}  // namespace vpn::host
