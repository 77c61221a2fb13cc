// rp_filter: the kernel drops what comes in by another interface than the one that its answer would leave by (RFC 3704,
// strict).
#pragma once

#include <string>

#include "base/ip.h"
#include "doctor/finding.h"

namespace vpn::doctor {

struct ReversePathFacts {
  std::string called_interface;   ///< the one that has the address clients call; empty: none has, it is translated
  std::string outside_interface;  ///< the one that answers to them leave by
  bool strict = false;            ///< at the first of them
};

ReversePathFacts look_at_reverse_path(const IpAddress& called, const std::string& outside_interface);

/// Pure.
Finding judge_reverse_path(const ReversePathFacts& facts);

}  // namespace vpn::doctor
