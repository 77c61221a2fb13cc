#include "doctor/firewall/rule_match.h"

#include <gtest/gtest.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/xt_addrtype.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_tcpudp.h>
#include <linux/netfilter_ipv4/ip_tables.h>

#include <cstring>

namespace vpn::doctor::firewall {
namespace {

using Base = LoadPayload::Base;

const Packet kFromClient = from_client(*IpAddress::parse("192.168.2.2"), "wg0", "eth0");
const Packet kToClient = to_client(*IpAddress::parse("192.168.2.2"), "wg0", "eth0");
const Packet kToGateway = to_gateway(IpFamily::kV4, "eth0", 51820);

Answer answer(const Rule& rule, const Packet& packet = kFromClient, const Table& table = {}) {
  return apply(rule, table, packet).applies;
}

Rule source_is(Bytes address) {
  const std::size_t size = address.size();
  return {LoadPayload{Base::kNetwork, 12, size, 0}, Compare{0, NFT_CMP_EQ, std::move(address)}};
}
Rule destination_port(std::uint32_t operation, std::uint16_t port) {
  return {LoadPayload{Base::kTransport, 2, 2, 0},
          Compare{0, operation, {static_cast<std::uint8_t>(port >> 8), static_cast<std::uint8_t>(port & 0xff)}}};
}
Rule state_is(std::uint32_t bits) {
  Bytes mask(4);
  std::memcpy(mask.data(), &bits, sizeof bits);
  return {LoadConntrack{NFT_CT_STATE, 0}, Bitwise{0, 0, mask, Bytes(4)}, Compare{0, NFT_CMP_NEQ, Bytes(4)}};
}

TEST(FirewallRule, ComparesWhatIsKnownOfThePacket) {
  EXPECT_EQ(answer(source_is({192, 168, 2, 2})), Answer::kYes);
  EXPECT_EQ(answer(source_is({192, 168, 2})), Answer::kYes);
  EXPECT_EQ(answer(source_is({10, 0, 0, 1})), Answer::kNo);
  EXPECT_EQ(answer(source_is({10, 0, 0, 1}), kToClient), Answer::kUnknown);
  EXPECT_EQ(answer(destination_port(NFT_CMP_EQ, 51820), kToGateway), Answer::kYes);
  EXPECT_EQ(answer(destination_port(NFT_CMP_LT, 1024), kToGateway), Answer::kNo);
  EXPECT_EQ(answer(destination_port(NFT_CMP_GTE, 1024), kToGateway), Answer::kYes);
  EXPECT_EQ(answer(destination_port(NFT_CMP_EQ, 22)), Answer::kUnknown);
}

TEST(FirewallRule, ComparesBytesOfWhichSomeAreKnown) {
  const auto both_ports = [](std::uint32_t operation, Bytes ports) {
    return Rule{LoadPayload{Base::kTransport, 0, 4, 0}, Compare{0, operation, std::move(ports)}};
  };
  EXPECT_EQ(answer(both_ports(NFT_CMP_EQ, {0, 67, 0, 68}), kToGateway), Answer::kNo);
  EXPECT_EQ(answer(both_ports(NFT_CMP_NEQ, {0, 67, 0, 68}), kToGateway), Answer::kYes);
  EXPECT_EQ(answer(both_ports(NFT_CMP_EQ, {0, 67, 202, 108}), kToGateway), Answer::kUnknown);
  const Rule masked = {LoadPayload{Base::kTransport, 0, 4, 0}, Bitwise{0, 0, {0, 0, 0xff, 0xff}, Bytes(4)},
                       Compare{0, NFT_CMP_EQ, {0, 0, 202, 108}}};
  EXPECT_EQ(answer(masked, kToGateway), Answer::kYes);
}

TEST(FirewallRule, KnowsTheStateOfAConnection) {
  EXPECT_EQ(answer(state_is(kStateNew)), Answer::kYes);
  EXPECT_EQ(answer(state_is(kStateEstablished)), Answer::kNo);
  EXPECT_EQ(answer(state_is(kStateEstablished), kToClient), Answer::kYes);
}

TEST(FirewallRule, IsNoWhenOnePartIsNoWhateverTheOthersAre) {
  Rule rule = {UnknownMatch{}};
  for (const Expression& expression : source_is({10, 0, 0, 1})) rule.push_back(expression);
  EXPECT_EQ(answer(rule), Answer::kNo);
  EXPECT_EQ(answer({LoadUnknown{0}, Compare{0, NFT_CMP_EQ, Bytes(4)}}), Answer::kUnknown);
}

TEST(FirewallRule, LooksUpSetsOfValuesAndOfIntervals) {
  Table table;
  table.sets["ports"] = {.elements = {{{0, 22}}, {{202, 108}}}};  // 51820
  table.sets["networks"] = {.has_intervals = true,
                            .elements = {{{0, 0, 0, 0}, true}, {{192, 168, 0, 0}}, {{192, 169, 0, 0}, true}}};
  table.sets["none"] = {};
  table.sets["unread"] = {.known = false, .elements = {}};
  const Rule port = {LoadPayload{Base::kTransport, 2, 2, 0}, Lookup{.set = "ports", .from = 0, .to = {}}};
  EXPECT_EQ(answer(port, kToGateway, table), Answer::kYes);
  EXPECT_EQ(answer(port, kFromClient, table), Answer::kUnknown);
  const auto source = [](const char* set) {
    return Rule{LoadPayload{Base::kNetwork, 12, 4, 0}, Lookup{.set = set, .from = 0, .to = {}}};
  };
  EXPECT_EQ(answer(source("networks"), kFromClient, table), Answer::kYes);
  EXPECT_EQ(answer(source("networks"), from_client(*IpAddress::parse("192.169.0.1"), "wg0", "eth0"), table),
            Answer::kNo);
  EXPECT_EQ(answer(source("none"), kFromClient, table), Answer::kNo);
  EXPECT_EQ(answer(source("unread"), kFromClient, table), Answer::kUnknown);
}

TEST(FirewallRule, TakesItsVerdictFromAMap) {
  Table table;
  table.sets["map"] = {
      .elements = {{{8, 0, 0, 0}, false, {Verdict::Kind::kDrop}}, {{2, 0, 0, 0}, false, {Verdict::Kind::kAccept}}}};
  const Rule by_state = {LoadConntrack{NFT_CT_STATE, 0},
                         Lookup{.set = "map", .from = 0, .gives_verdict = true, .to = {}}};
  const Applied known = apply(by_state, table, kFromClient);
  ASSERT_EQ(known.verdicts.size(), 1u);
  EXPECT_EQ(known.verdicts.front().kind, Verdict::Kind::kDrop);
  const Rule by_mark = {LoadMeta{NFT_META_MARK, 0}, Lookup{.set = "map", .from = 0, .gives_verdict = true, .to = {}}};
  const Applied unknown = apply(by_mark, table, kFromClient);
  EXPECT_EQ(unknown.applies, Answer::kUnknown);
  EXPECT_EQ(unknown.verdicts.size(), 2u);
}

// --- x_tables ---

template <typename T>
Rule xt(const char* name, std::uint32_t revision, const T& info) {
  Bytes bytes(sizeof info);
  std::memcpy(bytes.data(), &info, sizeof info);
  return {Match{name, revision, bytes}};
}

TEST(FirewallXtMatch, ReadsConntrack) {
  xt_conntrack_mtinfo3 info{};
  info.match_flags = XT_CONNTRACK_STATE;
  info.state_mask = kStateEstablished;
  EXPECT_EQ(answer(xt("conntrack", 3, info)), Answer::kNo);
  EXPECT_EQ(answer(xt("conntrack", 3, info), kToClient), Answer::kYes);
  info.invert_flags = XT_CONNTRACK_STATE;
  EXPECT_EQ(answer(xt("conntrack", 3, info)), Answer::kYes);
  info.match_flags |= XT_CONNTRACK_STATUS;
  EXPECT_EQ(answer(xt("conntrack", 3, info)), Answer::kUnknown);
}

TEST(FirewallXtMatch, ReadsPortsAndFlags) {
  const xt_udp udp{.spts = {0, 0xffff}, .dpts = {51820, 51820}, .invflags = 0};
  EXPECT_EQ(answer(xt("udp", 0, udp), kToGateway), Answer::kYes);
  EXPECT_EQ(answer(xt("udp", 0, udp)), Answer::kNo);
  const xt_tcp syn{
      .spts = {0, 0xffff}, .dpts = {0, 0xffff}, .option = 0, .flg_mask = 0x17, .flg_cmp = 2, .invflags = 0};
  EXPECT_EQ(answer(xt("tcp", 0, syn)), Answer::kYes);
  EXPECT_EQ(answer(xt("tcp", 0, syn), kToClient), Answer::kNo);
  const xt_multiport_v1 ports{
      .flags = XT_MULTIPORT_DESTINATION, .count = 3, .ports = {22, 51000, 52000}, .pflags = {0, 1}, .invert = 0};
  EXPECT_EQ(answer(xt("multiport", 1, ports), kToGateway), Answer::kYes);
  EXPECT_EQ(answer(xt("multiport", 1, ports)), Answer::kUnknown);
}

TEST(FirewallXtMatch, ReadsAddressTypesAndKnowsWhatItDoesNotRead) {
  xt_addrtype_info_v1 info{};
  info.dest = XT_ADDRTYPE_LOCAL;
  EXPECT_EQ(answer(xt("addrtype", 1, info), kToGateway), Answer::kYes);
  EXPECT_EQ(answer(xt("addrtype", 1, info)), Answer::kNo);
  EXPECT_EQ(answer({Match{"hashlimit", 3, {}}}), Answer::kUnknown);
  EXPECT_EQ(answer({Match{"conntrack", 3, {1, 2, 3}}}), Answer::kUnknown);
  EXPECT_EQ(answer({Match{"comment", 0, {}}}), Answer::kYes);
}

TEST(FirewallLegacyHeader, MatchesInterfacesAddressesAndProtocol) {
  LegacyHeader header{.source = {},
                      .destination = {},
                      .prefixes_are_plain = true,
                      .in = "wg+",
                      .out = {},
                      .protocol = 0,
                      .fragments_only = false,
                      .inverted = 0};
  EXPECT_EQ(answer({header}), Answer::kYes);
  EXPECT_EQ(answer({header}, kToClient), Answer::kNo);
  header.inverted = IPT_INV_VIA_IN;
  EXPECT_EQ(answer({header}), Answer::kNo);
  header = {.source = *IpPrefix::parse("192.168.2.0/24"),
            .destination = {},
            .prefixes_are_plain = true,
            .in = {},
            .out = "eth0",
            .protocol = IPPROTO_TCP,
            .fragments_only = false,
            .inverted = 0};
  EXPECT_EQ(answer({header}), Answer::kYes);
  header.destination = *IpPrefix::parse("10.0.0.0/8");
  EXPECT_EQ(answer({header}), Answer::kUnknown);
  header.protocol = IPPROTO_UDP;
  EXPECT_EQ(answer({header}), Answer::kNo);
}

}  // namespace
}  // namespace vpn::doctor::firewall
