// The rules of iptables-legacy and ip6tables-legacy, which nf_tables' dumps do not show: the kernel's own interface for
// them, getsockopt (linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h). Only reads, and only tables
// that are in use: to ask for another would load it.
//
// One thread, its caller's.
#pragma once

#include <array>
#include <string>

#include "base/bytes.h"
#include "base/error.h"
#include "doctor/firewall/ruleset.h"

namespace vpn::doctor::firewall {

/// kPermissionDenied without NET_ADMIN, or for one who may not read which tables are in use. A kernel without it has no
/// rules.
Result<Ruleset> read_iptables_legacy();

/// Where the table's chains are within its entries (struct ipt_getinfo, and the same for IPv6).
struct LegacyLayout {
  std::uint32_t valid_hooks = 0;
  std::array<std::uint32_t, 5> hook_entry{};
  std::array<std::uint32_t, 5> policy_entry{};
};
/// kCorrupt when the entries (struct ipt_entry or ip6t_entry, one behind the other) do not add up.
Result<Table> parse_legacy_table(IpFamily family, const std::string& name, const LegacyLayout& layout,
                                 ByteView entries);

}  // namespace vpn::doctor::firewall
