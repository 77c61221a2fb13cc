// Which of this machine's addresses the outside is likely to know it by.
//
// One thread, its caller's.
#pragma once

#include "base/error.h"
#include "base/ip.h"

namespace vpn::host {

/// Host::detect_address. The source of the route to the Internet, IPv4 before IPv6; without such a route, the first
/// global address of an interface that is up and no tunnel. Sends nothing.
Result<IpAddress> detect_address();

}  // namespace vpn::host
