// The nf_tables rules of this network namespace, iptables-nft's among them, as the kernel dumps them over netlink.
// Only reads.
//
// One thread, its caller's.
#pragma once

#include "base/error.h"
#include "doctor/firewall/ruleset.h"

namespace vpn::doctor::firewall {

constexpr std::size_t kMaxRules = 100'000;
/// Of a larger set nothing is known.
constexpr std::size_t kMaxElements = 10'000;

/// The tables of IPv4 and IPv6 that are in force. kPermissionDenied without NET_ADMIN; kExhausted with more than
/// kMaxRules; kUnavailable while somebody keeps changing them. A kernel without nf_tables has no rules.
Result<Ruleset> read_nftables();

}  // namespace vpn::doctor::firewall
