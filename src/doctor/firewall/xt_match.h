// The matches of x_tables (iptables) that firewalls use most, by their private data's layout (linux/netfilter/xt_*.h).
// Pure.
#pragma once

#include "doctor/firewall/rule_match.h"

namespace vpn::doctor::firewall {

/// kUnknown for what we do not read.
Answer matches(const Match& match, const Packet& packet);

}  // namespace vpn::doctor::firewall
