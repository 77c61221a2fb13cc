#include "doctor/mtu_check.h"

#include <algorithm>
#include <string>

#include "doctor/route.h"

namespace vpn::doctor {
namespace {

/// IP's header, UDP's of 8 bytes and WireGuard's of 32.
constexpr int kV4OverheadBytes = 20 + 8 + 32;
constexpr int kV6OverheadBytes = 40 + 8 + 32;

}  // namespace

MtuFacts look_at_mtu(int wg_mtu_bytes, IpFamily called) {
  const auto mtu_of = [](IpFamily family) {
    const auto route = route_outside(family);
    return route ? route->mtu_bytes : 0;
  };
  return {wg_mtu_bytes, mtu_of(IpFamily::kV4), mtu_of(IpFamily::kV6), called};
}

Finding judge_mtu(const MtuFacts& facts) {
  const std::string name = "mtu";
  const bool by_v4 = facts.called != IpFamily::kV6 && facts.v4_mtu_bytes > 0;
  const bool by_v6 = facts.called != IpFamily::kV4 && facts.v6_mtu_bytes > 0;
  const int own = facts.wg_mtu_bytes;
  if (!by_v4 && !by_v6) return {name, State::kNote, "could not be judged: there is no route to the outside"};
  const int room = std::min(by_v4 ? facts.v4_mtu_bytes - kV4OverheadBytes : own,
                            by_v6 ? facts.v6_mtu_bytes - kV6OverheadBytes : own);
  if (room >= own) return {name, State::kOk, "WG_MTU " + std::to_string(own) + " fits into the way outside"};
  return {name, State::kWarning,
          "full packets of WG_MTU " + std::to_string(own) +
              " leave in fragments, which are slow and often lost: the way "
              "outside has room for " +
              std::to_string(room),
          setting("WG_MTU=" + std::to_string(room))};
}

}  // namespace vpn::doctor
