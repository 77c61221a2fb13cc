// Whether the VPN's subnet is free where it is to be used.
//
// Pure.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "host/interface_addresses.h"

namespace vpn::host {

/// Compares the VPN's subnet, by the setting that gave it, with the networks of the other interfaces that are up.
/// Within one of them (or equal) it is kInvalidArgument: the kernel would send the site's packets into the VPN. Those
/// that lie within the subnet are returned: they go on being reached, and clients with their addresses are not.
Result<std::vector<InterfaceAddress>> check_subnet(const IpPrefix& subnet, const std::string& setting,
                                                   const std::string& own_interface,
                                                   const std::vector<InterfaceAddress>& present);

}  // namespace vpn::host
