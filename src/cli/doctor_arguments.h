// The command line of `vpn-enabler doctor`: the settings of `serve`, and how to tell what was found.
#pragma once

#include <variant>

#include "base/error.h"
#include "cli/command_line.h"
#include "cli/settings.h"

namespace vpn::cli {

struct DoctorArguments {
  Result<Settings> settings;  ///< a bad one is a finding like any other
  bool json = false;
};

/// The arguments, or the exit code when help was printed or an argument is wrong (said on stderr).
std::variant<DoctorArguments, int> read_doctor_arguments(const Arguments& arguments);

}  // namespace vpn::cli
