// The text of our nftables table, from values that were checked: the only place where rules are written. Pure.
//
// We drop what clients may not reach, and what is left passes by our chains' policy. There is no rule that accepts: a
// packet visits every table, and accepting it in ours would not overrule a drop in another's. Nor can another's accept
// overrule our drop.
#pragma once

#include <string>

#include "base/error.h"
#include "host/host.h"

namespace vpn::host {

/// "vpn_enabler_wg0": one table per interface, so that two gateways on one machine do not meet. For a valid interface
/// name; different names give different tables.
std::string table_name(const std::string& interface_name);

/// One transaction that leaves our table standing once, whole, whatever stood there, and none of an earlier
/// interface's. kInvalidArgument, with the setting's name, for values that cannot be.
Result<std::string> apply_text(const RulesConfig& config);

/// One transaction that leaves no table of ours. kInvalidArgument as above.
Result<std::string> remove_text(const std::string& interface_name);

}  // namespace vpn::host
