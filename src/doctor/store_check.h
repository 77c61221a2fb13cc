// What is kept: the state directory, and the store with the clients.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "cli/settings.h"
#include "doctor/finding.h"

namespace vpn::doctor {

struct StateFacts {
  std::string directory;
  std::string existing;  ///< it, or the nearest above it that exists
  bool is_directory = true;
  bool writable = true;
  bool as_root = true;
  Status key = {};  ///< of the private key that is kept; kNotFound when none is yet
};

StateFacts look_at_state(const cli::Settings& settings);

/// Looks at the store and changes nothing there; its description, or what is wrong. kNotFound: there is none yet. May
/// take long.
using LookAtStore = std::function<Result<std::string>(const cli::Settings& settings)>;

// Pure.
Finding judge_state(const StateFacts& facts);
/// `look` is none when nothing came in time.
Finding judge_store(const std::optional<Result<std::string>>& look, bool as_root);

}  // namespace vpn::doctor
