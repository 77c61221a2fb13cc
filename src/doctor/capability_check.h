// The rights that the gateway needs besides its files'.
#pragma once

#include <cstdint>
#include <optional>

#include "cli/settings.h"
#include "doctor/finding.h"

namespace vpn::doctor {

struct CapabilityFacts {
  std::optional<std::uint64_t> effective = {};  ///< the gateway's where it serves, else ours; none: not to be seen
  bool as_root = true;
  std::uint16_t low_port = 0;  ///< one of ours that not everybody may listen on; 0: none
};

/// `gateway_process` is 0 when none serves.
CapabilityFacts look_at_capabilities(const cli::Settings& settings, int gateway_process);

/// Pure.
Finding judge_capabilities(const CapabilityFacts& facts);

}  // namespace vpn::doctor
