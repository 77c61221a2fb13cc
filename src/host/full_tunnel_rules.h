// The text of the nftables table that a default route through a tunnel needs. Pure.
//
// The encrypted packets carry a firewall mark, by which policy routing keeps them out of the tunnel. Two things follow.
// An answer to them must carry the mark as well, or the reverse path filter, which looks up its way back, drops it. And
// a neighbour on the LAN must not reach the tunnel's own address from outside of it, where it could find out that the
// tunnel exists and guess at connections in it (CVE-2019-14899).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip.h"

namespace vpn::host {

struct FullTunnelRules {
  std::string interface_name;
  std::vector<IpPrefix> addresses;  ///< the tunnel's own
  std::uint32_t mark = 0;           ///< of the encrypted packets
};

/// One transaction that leaves the table standing once, whole. kInvalidArgument for an interface name that is none.
Result<std::string> full_tunnel_text(const FullTunnelRules& rules);
/// One transaction that leaves no such table.
Result<std::string> remove_full_tunnel_text(const std::string& interface_name);

}  // namespace vpn::host
