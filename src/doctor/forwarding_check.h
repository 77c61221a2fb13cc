// Whether the kernel passes packets between the VPN and the site, of IPv4 and, where the VPN has it, of IPv6.
#pragma once

#include <string>
#include <vector>

#include "base/ip.h"
#include "doctor/finding.h"
#include "doctor/sysctl.h"

namespace vpn::doctor {

struct ForwardingFacts {
  IpFamily family = IpFamily::kV4;
  Sysctl everywhere;                    ///< `serve` sets it
  std::vector<Sysctl> interfaces = {};  ///< of those that exist: the VPN's and the one towards the site; of IPv4 alone
  bool serves = false;
};

ForwardingFacts look_at_forwarding(const std::string& vpn_interface, const std::string& outside_interface, bool serves);
ForwardingFacts look_at_ipv6_forwarding(bool serves);

/// Pure.
Finding judge_forwarding(const ForwardingFacts& facts);

}  // namespace vpn::doctor
