// Whether other people's firewall rules let our packets through.
//
// Three packets are judged under the rules as they stand: a client's to the site, the site's answer, and a client's to
// the gateway. What the rules ask and we cannot know (a limit, somebody's address) counts for both answers, so
// "dropped" is said only of what is dropped for certain.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/ip.h"
#include "doctor/finding.h"
#include "doctor/firewall/ruleset.h"

namespace vpn::doctor {

struct FirewallFacts {
  Result<firewall::Ruleset> rules;
  std::string vpn_interface;
  std::string own_table;  ///< ours, which is left out
  std::uint16_t udp_port = 0;
};

Result<firewall::Ruleset> read_firewalls();

// The way in to the gateway's port, and the way through it for one of the VPN's addresses, each by the interface that
// leads outside for its family; empty: there is none. Pure.
Finding judge_way_in(const FirewallFacts& facts, IpFamily family, const std::string& outside_interface);
Finding judge_way_through(const FirewallFacts& facts, const IpAddress& client, const std::string& outside_interface);

}  // namespace vpn::doctor
