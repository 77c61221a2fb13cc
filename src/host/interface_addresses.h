// The addresses of this network namespace's interfaces, as getifaddrs(3) lists them.
#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip.h"

namespace vpn::host {

struct InterfaceAddress {
  std::string interface_name;
  unsigned interface_flags = 0;  ///< IFF_UP and so on (netdevice(7))
  IpPrefix prefix;               ///< the address with its network's length
};

Result<std::vector<InterfaceAddress>> interface_addresses();

/// 127.0.0.0/8 and ::1; 169.254.0.0/16 and fe80::/10.
bool is_loopback(const IpAddress& address);
bool is_link_local(const IpAddress& address);

}  // namespace vpn::host
