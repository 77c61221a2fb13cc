#include "doctor/firewall/legacy_reader.h"

#include <gtest/gtest.h>
#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>

#include <cstring>
#include <type_traits>

namespace vpn::doctor::firewall {
namespace {

template <typename Head>
auto& ip_of(Head& head) {
  if constexpr (std::is_same_v<Head, ipt_entry>) {
    return head.ip;
  } else {
    return head.ipv6;
  }
}

/// Entries as the kernel lays them out, one behind the other.
template <typename Head>
class Entries {
 public:
  std::uint32_t add(const char* target, std::int32_t verdict, const char* interface = "", const char* chain = "",
                    Head head = {}) {
    const auto offset = static_cast<std::uint32_t>(bytes_.size());
    std::strncpy(ip_of(head).iniface, interface, IFNAMSIZ - 1);
    std::memset(ip_of(head).iniface_mask, 0xff, *interface != '\0' ? std::strlen(interface) + 1 : 0);
    head.target_offset = sizeof head;
    head.next_offset = sizeof head + sizeof(xt_error_target);
    xt_error_target body{};
    body.target.u.target_size = sizeof body;
    std::strncpy(body.target.u.user.name, target, XT_EXTENSION_MAXNAMELEN - 1);
    if (*target == '\0') {
      std::memcpy(body.errorname, &verdict, sizeof verdict);
    } else {
      std::strncpy(body.errorname, chain, XT_FUNCTION_MAXNAMELEN - 1);
    }
    append(&head, sizeof head);
    append(&body, sizeof body);
    return offset;
  }
  ByteView view() const { return bytes_; }

 private:
  void append(const void* data, std::size_t size) {
    const auto* const from = static_cast<const std::uint8_t*>(data);
    bytes_.insert(bytes_.end(), from, from + size);
  }
  Bytes bytes_;
};

constexpr std::int32_t kAccept = -NF_ACCEPT - 1;
constexpr std::int32_t kDrop = -NF_DROP - 1;

template <typename Head>
void expect_chains_policies_and_jumps(IpFamily family, const std::string& name) {
  Entries<Head> entries;
  constexpr std::int32_t kEntry = sizeof(Head) + sizeof(xt_error_target);
  const std::uint32_t forward = entries.add("", 3 * kEntry, "wg0");  // to the chain at the fourth entry
  const std::uint32_t policy = entries.add("", kDrop);
  entries.add("ERROR", 0, "", "mine");
  entries.add("", kAccept);
  entries.add("", XT_RETURN);
  entries.add("ERROR", 0, "", "ERROR");
  LegacyLayout layout{.valid_hooks = 1u << NF_INET_FORWARD};
  layout.hook_entry[NF_INET_FORWARD] = forward;
  layout.policy_entry[NF_INET_FORWARD] = policy;

  const auto table = parse_legacy_table(family, "filter", layout, entries.view());
  ASSERT_TRUE(table) << table.error().message;
  EXPECT_EQ(table->family, name);
  ASSERT_EQ(table->chains.size(), 2u);
  const Chain& base = table->chains.at("FORWARD");
  EXPECT_TRUE(base.hook->drops);
  ASSERT_EQ(base.rules.size(), 1u);
  EXPECT_EQ(std::get<LegacyHeader>(base.rules[0][0]).in, "wg0");
  EXPECT_EQ(std::get<Verdict>(base.rules[0][1]).kind, Verdict::Kind::kJump);
  EXPECT_EQ(std::get<Verdict>(base.rules[0][1]).chain, "mine");
  const Chain& mine = table->chains.at("mine");
  ASSERT_EQ(mine.rules.size(), 2u);
  EXPECT_EQ(std::get<Verdict>(mine.rules[0][1]).kind, Verdict::Kind::kAccept);
}

TEST(LegacyReader, ReadsChainsPoliciesAndJumps) {
  expect_chains_policies_and_jumps<ipt_entry>(IpFamily::kV4, "ip");
  expect_chains_policies_and_jumps<ip6t_entry>(IpFamily::kV6, "ip6");
}

TEST(LegacyReader, ReadsPrefixesOfIpv6) {
  ip6t_entry head{};
  head.ipv6.src.s6_addr[0] = 0xfd;
  std::memset(head.ipv6.smsk.s6_addr, 0xff, 8);
  head.ipv6.dmsk.s6_addr[15] = 1;  // a mask with holes
  head.ipv6.proto = 6;             // which counts only with its flag
  Entries<ip6t_entry> entries;
  entries.add("", kDrop, "", "", head);
  LegacyLayout layout{.valid_hooks = 1u << NF_INET_FORWARD};
  layout.policy_entry[NF_INET_FORWARD] = 1;
  const auto table = parse_legacy_table(IpFamily::kV6, "filter", layout, entries.view());
  ASSERT_TRUE(table) << table.error().message;
  const auto& header = std::get<LegacyHeader>(table->chains.at("FORWARD").rules.at(0).at(0));
  EXPECT_EQ(to_string(header.source), "fd00::/64");
  EXPECT_FALSE(header.prefixes_are_plain);
  EXPECT_EQ(header.protocol, 0);
}

TEST(LegacyReader, RefusesWhatDoesNotAddUp) {
  Entries<ipt_entry> entries;
  entries.add("", kAccept);
  for (std::size_t size = 0; size < entries.view().size(); ++size) {
    EXPECT_FALSE(parse_legacy_table(IpFamily::kV4, "filter", {}, entries.view().first(size))) << size;
  }
}

}  // namespace
}  // namespace vpn::doctor::firewall
