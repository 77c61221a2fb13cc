// The rules that say which routing table a packet is looked up in (ip-rule(8)).
//
// One thread, its caller's.
#pragma once

#include <compare>
#include <cstdint>
#include <vector>

#include "base/error.h"
#include "base/ip.h"

namespace vpn::host {

/// A rule of ours: it carries a mark of its own, so that one of somebody else's is never taken for it.
struct PolicyRule {
  IpFamily family = IpFamily::kV4;
  std::uint32_t priority = 0;     ///< lower ones are asked first
  std::uint32_t table = 0;        ///< where packets are looked up
  std::uint32_t unless_mark = 0;  ///< not those with this firewall mark; 0: all
  bool without_default = false;   ///< a default route of that table does not count

  auto operator<=>(const PolicyRule&) const = default;
};

/// kAlreadyExists when there is such a rule.
Status add_policy_rule(const PolicyRule& rule);
/// One that is gone already is no error.
Status remove_policy_rule(const PolicyRule& rule);

/// The priorities that are taken, of one family, whoever made the rules.
Result<std::vector<std::uint32_t>> policy_rule_priorities(IpFamily family);

}  // namespace vpn::host
