// systemd-resolved, over D-Bus: which name servers an interface brings along.
//
// One thread, its caller's; blocks for seconds at most.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip.h"

namespace vpn::host {

struct LinkDns {
  std::vector<IpAddress> servers;
  std::vector<std::string> search;  ///< domains that are tried behind a short name
};

/// Has every name looked up by the interface's servers, before all others'. What is set goes with the interface.
/// kUnavailable when no systemd-resolved answers; kNotFound when it knows no interface with that index.
Status set_link_dns(unsigned interface_index, const LinkDns& dns);

}  // namespace vpn::host
