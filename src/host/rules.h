// The text of our nftables table, from values that were checked: the only place where rules are written. Pure.
//
// Forwarded packets pass by our chain's policy. There is no rule that accepts them: a packet visits every table, and
// accepting it in ours would not overrule a drop in another's.
#pragma once

#include <string>

#include "base/error.h"
#include "host/host.h"

namespace vpn::host {

/// "vpn_enabler_wg0": one table per interface, so that two gateways on one machine do not meet. For a valid interface
/// name; different names give different tables.
std::string table_name(const std::string& interface_name);

/// One transaction that leaves our table standing once, whole, whatever stood there, and none of an earlier
/// interface's. kInvalidArgument for an interface name or a subnet that cannot be one.
Result<std::string> apply_text(const RulesConfig& config);

/// One transaction that leaves no table of ours. kInvalidArgument as above.
Result<std::string> remove_text(const std::string& interface_name);

}  // namespace vpn::host
