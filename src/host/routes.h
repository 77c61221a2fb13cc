// Routes through an interface, and what the routes that are there say of the way to a remote.
//
// One thread, its caller's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/ip.h"

namespace vpn::host {

/// A route to a network through an interface; it goes with the interface.
struct Route {
  IpPrefix prefix;  ///< masked
  std::string interface_name;
  std::uint32_t table = 0;  ///< of linux/rtnetlink.h, RT_TABLE_MAIN for instance
};

/// kAlreadyExists when the table has a route to that very network: it may be somebody else's way there.
Status add_route(const Route& route);

/// Whether no table of that number holds a route, of either family.
Result<bool> is_table_empty(std::uint32_t table);

/// How large a packet to `remote` may be on its first hop: the route's own MTU, else that of its interface. Nothing
/// when there is no route.
std::optional<int> mtu_towards(const IpAddress& remote);
/// The same of the default route, IPv4 before IPv6.
std::optional<int> mtu_of_default_route();

}  // namespace vpn::host
