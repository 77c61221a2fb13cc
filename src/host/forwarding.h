// The kernel's switches for passing packets from one interface to another.
//
// One thread, its caller's.
#pragma once

#include <string>

#include "base/error.h"

namespace vpn::host {

// Host::enable_forwarding, a family each. The paths are others in tests alone.

Status enable_ipv4_forwarding(const std::string& path = "/proc/sys/net/ipv4/ip_forward");

/// Every interface that takes its routes from router advertisements goes on doing so, and keeps those that it has;
/// those to come as well. `tunnel`, the VPN's own interface, is left out: nobody in there tells us our routes.
Status enable_ipv6_forwarding(const std::string& tunnel, const std::string& directory = "/proc/sys/net/ipv6/conf");

// Success while it is on; else the cure.

Status check_ipv4_forwarding(const std::string& path = "/proc/sys/net/ipv4/ip_forward");
Status check_ipv6_forwarding(const std::string& directory = "/proc/sys/net/ipv6/conf");

}  // namespace vpn::host
