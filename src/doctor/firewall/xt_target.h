// What the targets of x_tables (iptables) do to a packet, by their names. Pure.
#pragma once

#include <string_view>

#include "doctor/firewall/ruleset.h"

namespace vpn::doctor::firewall {

Verdict verdict_of_target(std::string_view name);

}  // namespace vpn::doctor::firewall
