// `vpn-enabler health`: whether the gateway on this machine is well, as an exit code; a container's HEALTHCHECK.
#pragma once

#include "cli/command_line.h"

namespace vpn::cli {

/// Prints what the API's /health answers, or on stderr why nothing answers. kSuccess when clients can be changed and
/// packets flow, else kFailure.
int run_health(const Arguments& arguments);

}  // namespace vpn::cli
