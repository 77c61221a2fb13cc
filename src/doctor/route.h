// The way that this machine's packets take. Only asks.
//
// One thread, its caller's.
#pragma once

#include <optional>
#include <string>

#include "base/ip.h"

namespace vpn::doctor {

struct Route {
  std::string interface_name;
  int mtu_bytes = 0;     ///< the route's own, else its interface's
  bool is_told = false;  ///< by a router's advertisement (IPv6), and so only for some time
};

/// None when there is no route there.
std::optional<Route> route_to(const IpAddress& address);

/// The way to the Internet, by a documentation address: no route is more specific to it (RFC 5737, RFC 3849).
std::optional<Route> route_outside(IpFamily family);

}  // namespace vpn::doctor
