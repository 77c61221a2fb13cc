// `vpn-enabler client ...`: clients by the API's unix socket.
#pragma once

#include "cli/command_line.h"

namespace vpn::cli {

int run_client(const Arguments& arguments);

}  // namespace vpn::cli
