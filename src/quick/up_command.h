// `vpn-enabler up CONF` and `vpn-enabler down CONF`.
#pragma once

#include "cli/command_line.h"

namespace vpn::quick {

/// Before the program has started a thread: `up` may fork an engine.
int run_up(const cli::Arguments& arguments);
int run_down(const cli::Arguments& arguments);

}  // namespace vpn::quick
