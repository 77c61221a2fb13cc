// The kernel's switch for passing packets from one interface to another.
//
// One thread, its caller's.
#pragma once

#include <string>

#include "base/error.h"

namespace vpn::host {

/// Host::enable_forwarding. `path` is another file in tests alone.
Status enable_ipv4_forwarding(const std::string& path = "/proc/sys/net/ipv4/ip_forward");

/// Success while it is on; else the cure.
Status check_ipv4_forwarding(const std::string& path = "/proc/sys/net/ipv4/ip_forward");

}  // namespace vpn::host
