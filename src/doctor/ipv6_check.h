// Whether this machine has the IPv6 that the settings ask for: in the VPN (WG_SUBNET6), or to be called at (SERVER_IP).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/ip.h"
#include "doctor/finding.h"
#include "doctor/route.h"
#include "doctor/sysctl.h"

namespace vpn::doctor {

/// Which of the addresses that clients call are of IPv6.
enum class Called { kNone, kSome, kAll };
Called called_by_ipv6(const std::vector<IpAddress>& addresses);

struct Ipv6Facts {
  bool in_vpn = false;
  Called called = Called::kNone;
  bool serves = false;
  Sysctl disabled;                    ///< of the VPN's interface or, before it is there, of those to come
  std::optional<Route> outside = {};  ///< none: no route there
  Sysctl heeds_routers = {};          ///< of that route's interface
  bool forwards = false;              ///< already
};

Ipv6Facts look_at_ipv6(bool in_vpn, Called called, const std::string& vpn_interface, bool serves);

/// Pure.
Finding judge_ipv6(const Ipv6Facts& facts);

}  // namespace vpn::doctor
