// The kernel's table of connections, which NAT needs: when it is full, new ones are dropped.
#pragma once

#include <cstdint>
#include <optional>

#include "doctor/finding.h"

namespace vpn::doctor {

struct ConntrackFacts {
  std::optional<std::uint64_t> count = {};  ///< none: it is not in use
  std::optional<std::uint64_t> limit = {};
};

ConntrackFacts look_at_conntrack();

/// Pure.
Finding judge_conntrack(const ConntrackFacts& facts);

}  // namespace vpn::doctor
