// `vpn-enabler doctor`: looks at this machine with the eyes of a gateway of these settings, changes nothing, and says
// of each thing what it found and what cures it.
//
// Each check is two functions in a file of its own: one looks (facts), one judges them (pure).
#pragma once

#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "cli/settings.h"
#include "doctor/finding.h"
#include "doctor/store_check.h"

namespace vpn::doctor {

struct Examination {
  std::vector<Finding> findings;
  bool hangs = false;  ///< something was given up that still goes on: the process ends without waiting for it
};

/// Within some three seconds, whatever hangs.
Examination examine(const Result<cli::Settings>& settings, const LookAtStore& look_at_store, const Clock& clock);

}  // namespace vpn::doctor
