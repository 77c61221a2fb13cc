// The command line of `vpn-enabler engine` and of `vpn-engine`: wireguard-go's.
#pragma once

#include "cli/command_line.h"

namespace vpn::cli {

int run_engine_command(const Arguments& arguments);

}  // namespace vpn::cli
