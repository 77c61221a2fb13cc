// Whether a full packet of the VPN fits, wrapped, into one packet of the way outside.
#pragma once

#include "base/ip.h"
#include "doctor/finding.h"

namespace vpn::doctor {

struct MtuFacts {
  int wg_mtu_bytes = 0;
  int v4_mtu_bytes = 0;  ///< of the way to clients; 0: there is none
  int v6_mtu_bytes = 0;
  IpFamily called = IpFamily::kNone;  ///< of the address that clients call; kNone: a name, of either
};

MtuFacts look_at_mtu(int wg_mtu_bytes, IpFamily called);

/// Pure.
Finding judge_mtu(const MtuFacts& facts);

}  // namespace vpn::doctor
