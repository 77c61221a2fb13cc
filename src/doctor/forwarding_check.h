// Whether the kernel passes packets between the VPN and the site.
#pragma once

#include <string>
#include <vector>

#include "doctor/finding.h"
#include "doctor/sysctl.h"

namespace vpn::doctor {

struct ForwardingFacts {
  Sysctl everywhere;                    ///< `serve` sets it
  std::vector<Sysctl> interfaces = {};  ///< of those that exist: the VPN's and the one towards the site
  bool serves = false;
};

ForwardingFacts look_at_forwarding(const std::string& vpn_interface, const std::string& outside_interface, bool serves);

/// Pure.
Finding judge_forwarding(const ForwardingFacts& facts);

}  // namespace vpn::doctor
