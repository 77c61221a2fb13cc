// The store that the settings, or a command line's location, ask for: with main.cc the only place that names one.
#pragma once

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "cli/settings.h"
#include "cli/store_location.h"
#include "control/store/store.h"

namespace vpn {

/// SQLite's file is opened, and made when it is missing; of the network's stores only the settings are checked:
/// kInvalidArgument with the setting as field. The references outlive the store; `random` is safe from any thread.
Result<std::unique_ptr<control::Store>> open_store(const cli::Settings& settings, const Clock& clock, Random& random,
                                                   Logger& logger);
Result<std::unique_ptr<control::Store>> open_store(const cli::StoreLocation& location, control::Access access,
                                                   const Clock& clock, Random& random, Logger& logger);
/// For `vpn-enabler doctor`: whether the store that the settings ask for could be used, and its description. Changes
/// nothing there; may take as long as the store does. kNotFound, with a sentence for it: SQLite's file is not there
/// yet.
Result<std::string> look_at_store(const cli::Settings& settings);

}  // namespace vpn
