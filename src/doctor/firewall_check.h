// Whether other people's firewall rules let our packets through.
//
// Three packets are judged under the rules as they stand: a client's to the site, the site's answer, and a client's to
// the gateway. What the rules ask and we cannot know (a limit, somebody's address) counts for both answers, so
// "dropped" is said only of what is dropped for certain.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "doctor/finding.h"
#include "doctor/firewall/ruleset.h"

namespace vpn::doctor {

struct FirewallFacts {
  Result<firewall::Ruleset> rules;
  IpAddress client;  ///< one of the VPN's addresses
  std::string vpn_interface;
  std::string outside_interface;  ///< empty: there is none
  std::string own_table;          ///< ours, which is left out
  std::uint16_t udp_port = 0;
};

Result<firewall::Ruleset> read_firewalls();

/// Two findings: the way in to the gateway's port, and the way through it. Pure.
std::vector<Finding> judge_firewall(const FirewallFacts& facts);

}  // namespace vpn::doctor
