#include "quick/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/rtnetlink.h>

namespace vpn::quick {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

using Texts = std::vector<std::string>;

Texts texts(const std::vector<IpPrefix>& prefixes) {
  Texts result;
  for (const IpPrefix& prefix : prefixes) result.push_back(to_string(prefix));
  return result;
}

FilePeer peer_with(std::initializer_list<const char*> allowed_ips, std::uint8_t key = 1) {
  FilePeer peer;
  peer.line = key;
  peer.public_key.bytes.fill(key);
  for (const char* text : allowed_ips) peer.allowed_ips.push_back(*IpPrefix::parse(text));
  return peer;
}

WgQuickFile file_with(std::initializer_list<const char*> addresses, std::vector<FilePeer> peers) {
  WgQuickFile file;
  for (const char* text : addresses) file.addresses.push_back(*IpPrefix::parse(text));
  file.peers = std::move(peers);
  return file;
}

TEST(PlanRoutes, MakesOneForEachNetworkThatNoAddressBrings) {
  const RoutePlan plan = plan_routes(
      file_with({"10.8.0.2/24", "fd00::2/64"}, {peer_with({"10.8.0.1/32", "10.0.0.0/8", "fd00::/64", "fd01::/64"}),
                                                peer_with({"10.8.0.0/24", "192.0.2.7/32"}, 2)}));
  EXPECT_EQ(plan.table, static_cast<std::uint32_t>(RT_TABLE_MAIN));
  EXPECT_EQ(texts(plan.routes), (Texts{"fd01::/64", "192.0.2.7/32", "10.0.0.0/8"}));
  EXPECT_THAT(plan.defaults, IsEmpty());
}

TEST(PlanRoutes, KnowsThatAWholeAddressBringsNoRoute) {
  EXPECT_EQ(texts(plan_routes(file_with({"10.8.0.2/32"}, {peer_with({"10.8.0.2/32", "10.8.0.1/32"})})).routes),
            (Texts{"10.8.0.1/32", "10.8.0.2/32"}));
}

TEST(PlanRoutes, MakesARouteThatTwoPeersNameOnce) {
  EXPECT_EQ(texts(plan_routes(file_with({}, {peer_with({"10.0.0.0/8"}), peer_with({"10.0.0.0/8"}, 2)})).routes),
            Texts{"10.0.0.0/8"});
}

TEST(PlanRoutes, KeepsDefaultRoutesApart) {
  const RoutePlan plan = plan_routes(file_with({"10.8.0.2/24"}, {peer_with({"0.0.0.0/0", "::/0", "192.0.2.0/24"})}));
  EXPECT_EQ(texts(plan.defaults), (Texts{"0.0.0.0/0", "::/0"}));
  EXPECT_EQ(texts(plan.routes), Texts{"192.0.2.0/24"});
}

TEST(PlanRoutes, PutsAllIntoTheTableOfTheFile) {
  WgQuickFile file = file_with({"10.8.0.2/24"}, {peer_with({"0.0.0.0/0", "10.8.0.0/24"})});
  file.table = {RoutingTable::Kind::kNumber, 1234};
  const RoutePlan plan = plan_routes(file);
  EXPECT_EQ(plan.table, 1234u);
  EXPECT_EQ(texts(plan.routes), (Texts{"10.8.0.0/24", "0.0.0.0/0"}));
  EXPECT_THAT(plan.defaults, IsEmpty());
}

TEST(PlanRoutes, MakesNoneWhenTheyAreOff) {
  WgQuickFile file = file_with({"10.8.0.2/24"}, {peer_with({"0.0.0.0/0", "192.0.2.0/24"})});
  file.table.kind = RoutingTable::Kind::kOff;
  EXPECT_THAT(plan_routes(file).routes, IsEmpty());
  EXPECT_THAT(plan_routes(file).defaults, IsEmpty());
}

TEST(PlanRules, GoBeforeAllThatThereAre) {
  const std::vector<std::uint32_t> taken = {0, 32766, 32767, 1000};
  const auto rules = plan_rules(IpFamily::kV6, 51820, taken);
  ASSERT_TRUE(rules);
  const std::vector<host::PolicyRule> expected = {
      {.family = IpFamily::kV6, .priority = 999, .table = 51820, .unless_mark = 51820},
      {.family = IpFamily::kV6, .priority = 998, .table = RT_TABLE_MAIN, .without_default = true}};
  EXPECT_EQ(*rules, expected);
  EXPECT_EQ(plan_rules(IpFamily::kV4, 1, {})->at(0).priority, 32765u);
}

TEST(PlanRules, NeedRoom) {
  const std::vector<std::uint32_t> taken = {0, 2};
  const auto rules = plan_rules(IpFamily::kV4, 51820, taken);
  ASSERT_FALSE(rules);
  EXPECT_EQ(rules.error().code, ErrorCode::kExhausted);
}

TEST(PlanInterface, HasAllThatTheFileSays) {
  FilePeer peer = peer_with({"10.0.0.0/8"});
  peer.persistent_keepalive_s = 25;
  WgQuickFile file = file_with({}, {peer, peer_with({}, 2)});
  file.listen_port = 51820;
  const auto update = plan_interface(file, {Endpoint::parse("192.0.2.1:5"), std::nullopt}, 7);
  ASSERT_TRUE(update);
  EXPECT_EQ(update->listen_port, 51820);
  EXPECT_EQ(update->fwmark, 7u);
  EXPECT_TRUE(update->replace_peers);
  ASSERT_EQ(update->peers.size(), 2u);
  EXPECT_EQ(to_string(*update->peers[0].endpoint), "192.0.2.1:5");
  EXPECT_EQ(update->peers[0].persistent_keepalive_s, 25);
  EXPECT_EQ(to_string(update->peers[0].allowed_ips.at(0).prefix), "10.0.0.0/8");
  EXPECT_FALSE(update->peers[1].endpoint);
}

TEST(PlanInterface, RefusesAPeerThatStandsThereTwice) {
  const auto update = plan_interface(file_with({}, {peer_with({}), peer_with({})}), {std::nullopt, std::nullopt}, 0);
  ASSERT_FALSE(update);
  EXPECT_THAT(update.error().message, HasSubstr("has the PublicKey of that in line 1"));
}

TEST(TunnelMtu, IsWhatTheHeadersLeave) {
  EXPECT_EQ(tunnel_mtu(1500), 1420);
  EXPECT_EQ(tunnel_mtu(1280), 1200);
  EXPECT_EQ(tunnel_mtu(600), 576);
}

}  // namespace
}  // namespace vpn::quick
