// From a wg-quick file to what is to be made of it: the configuration of the WireGuard interface, and the routes. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "engine/protocol/config.h"
#include "host/policy_rules.h"
#include "quick/wg_quick_file.h"

namespace vpn::quick {

/// What is told of each peer, in the file's order: its endpoint, looked up; none where the file has none.
using Endpoints = std::vector<std::optional<Endpoint>>;

/// The WireGuard interface as the file wants it. kInvalidArgument when a peer stands in it twice.
Result<engine::protocol::InterfaceUpdate> plan_interface(const WgQuickFile& file, const Endpoints& endpoints,
                                                         std::uint32_t fwmark);

/// What goes into the tunnel.
struct RoutePlan {
  std::uint32_t table = 0;
  std::vector<IpPrefix> routes;  ///< in `table`, the longest prefixes first
  /// Default routes: not in `table` but in one of their own, with policy rules that keep the encrypted packets out.
  std::vector<IpPrefix> defaults;
};
RoutePlan plan_routes(const WgQuickFile& file);

/// The two rules of a default route in `table`, given the priorities that are taken: packets without the mark go by
/// `table`, but for those to which the main table knows a way that is no default route. kExhausted without room.
Result<std::vector<host::PolicyRule>> plan_rules(IpFamily family, std::uint32_t table,
                                                 std::span<const std::uint32_t> taken_priorities);

/// The MTU of the tunnel over such a way to the outside: less IPv6's header, UDP's and WireGuard's.
int tunnel_mtu(int outer_mtu_bytes);

}  // namespace vpn::quick
