#include "doctor/firewall/judge.h"

#include <gtest/gtest.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>

#include "doctor/firewall/packet.h"

namespace vpn::doctor::firewall {
namespace {

using Kind = Verdict::Kind;

const Packet kFromClient = from_client(*IpAddress::parse("192.168.2.2"), "wg0", "eth0");
const Packet kToGateway = to_gateway(IpFamily::kV4, "eth0", 51820);

/// iifname NAME, then the verdict.
Rule from_interface(const std::string& name, Verdict verdict) {
  Bytes padded(name.begin(), name.end());
  padded.resize(16);
  return {LoadMeta{NFT_META_IIFNAME, 0}, Compare{0, NFT_CMP_EQ, padded}, verdict};
}
Rule perhaps(Verdict verdict) {
  return {UnknownMatch{}, verdict};
}

/// A table whose base chain FORWARD has these rules, and another chain with those.
Table table_of(bool policy_drops, std::vector<Rule> rules, std::vector<Rule> others = {}) {
  Table table{.family = "ip", .name = "filter"};
  table.chains["FORWARD"] = {"FORWARD", Hook{NF_INET_FORWARD, policy_drops}, std::move(rules)};
  table.chains["other"] = {"other", std::nullopt, std::move(others)};
  return table;
}

Fate fate(const Table& table, const Packet& packet = kFromClient) {
  return judge({table}, packet, "ours").fate;
}

TEST(FirewallJudge, FollowsThePolicyWhereNoRuleApplies) {
  EXPECT_EQ(fate(table_of(false, {})), Fate::kPasses);
  EXPECT_EQ(fate(table_of(true, {})), Fate::kDropped);
  EXPECT_EQ(fate(table_of(true, {from_interface("docker0", {Kind::kAccept})})), Fate::kDropped);
}

TEST(FirewallJudge, TakesTheFirstRuleThatApplies) {
  EXPECT_EQ(fate(table_of(true, {from_interface("wg0", {Kind::kAccept}), {Verdict{Kind::kDrop}}})), Fate::kPasses);
  EXPECT_EQ(fate(table_of(false, {from_interface("wg0", {Kind::kDrop}), {Verdict{Kind::kAccept}}})), Fate::kDropped);
}

TEST(FirewallJudge, SaysDroppedOnlyOfWhatIsDroppedForCertain) {
  EXPECT_EQ(fate(table_of(true, {perhaps({Kind::kAccept})})), Fate::kPartly);
  EXPECT_EQ(fate(table_of(false, {perhaps({Kind::kDrop})})), Fate::kPartly);
  EXPECT_EQ(fate(table_of(false, {perhaps({Kind::kAccept})})), Fate::kPasses);
  EXPECT_EQ(fate(table_of(true, {perhaps({Kind::kDrop})})), Fate::kDropped);
  EXPECT_EQ(fate(table_of(false, {{Verdict{Kind::kUnknown}}})), Fate::kPartly);
}

TEST(FirewallJudge, JumpsAndComesBack) {
  const Rule jump = {Verdict{Kind::kJump, "other"}};
  EXPECT_EQ(fate(table_of(true, {jump, {Verdict{Kind::kAccept}}})), Fate::kPasses);
  EXPECT_EQ(fate(table_of(true, {jump, {Verdict{Kind::kAccept}}}, {{Verdict{Kind::kReturn}}, {Verdict{Kind::kDrop}}})),
            Fate::kPasses);
  EXPECT_EQ(fate(table_of(false, {jump}, {{Verdict{Kind::kDrop}}})), Fate::kDropped);
  EXPECT_EQ(fate(table_of(true, {jump}, {from_interface("wg0", {Kind::kAccept})})), Fate::kPasses);
  EXPECT_EQ(fate(table_of(true, {jump}, {perhaps({Kind::kAccept})})), Fate::kPartly);
}

TEST(FirewallJudge, GoesAndDoesNotComeBack) {
  const Rule go = {Verdict{Kind::kGoto, "other"}};
  EXPECT_EQ(fate(table_of(true, {go, {Verdict{Kind::kAccept}}})), Fate::kDropped);
  EXPECT_EQ(fate(table_of(true, {perhaps({Kind::kGoto, "other"}), {Verdict{Kind::kAccept}}})), Fate::kPartly);
}

TEST(FirewallJudge, NamesThePlace) {
  const Ruleset rules = {table_of(true, {{Verdict{Kind::kJump, "other"}}}, {from_interface("wg0", {Kind::kDrop})})};
  const Place by_rule = judge(rules, kFromClient, "ours").place;
  EXPECT_EQ(by_rule.base_chain, "FORWARD");
  EXPECT_EQ(by_rule.chain, "other");
  EXPECT_FALSE(by_rule.by_policy);
  const Ruleset policy = {table_of(true, {})};
  const Place by_policy = judge(policy, kFromClient, "ours").place;
  EXPECT_EQ(by_policy.chain, "FORWARD");
  EXPECT_TRUE(by_policy.by_policy);
}

TEST(FirewallJudge, LooksAtTheHooksTheFamilyAndTheTablesThatThePacketMeets) {
  EXPECT_EQ(fate(table_of(true, {}), kToGateway), Fate::kPasses);
  Table table = table_of(true, {});
  table.family = "ip6";
  EXPECT_EQ(fate(table), Fate::kPasses);
  table.family = "inet";
  EXPECT_EQ(fate(table), Fate::kDropped);
  EXPECT_EQ(judge({table}, kFromClient, "filter").fate, Fate::kPasses);
  EXPECT_EQ(judge({table_of(false, {}), table}, kFromClient, "ours").fate, Fate::kDropped);
}

TEST(FirewallJudge, EndsOnChainsThatLeadToThemselves) {
  EXPECT_EQ(fate(table_of(true, {{Verdict{Kind::kJump, "other"}}}, {{Verdict{Kind::kJump, "other"}}})), Fate::kDropped);
}

}  // namespace
}  // namespace vpn::doctor::firewall
