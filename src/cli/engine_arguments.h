// The command line of `vpn-enabler engine` and of `vpn-engine`: wireguard-go's.
#pragma once

#include <cstdio>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "base/log.h"
#include "cli/command_line.h"
#include "cli/engine_command.h"

namespace vpn::cli {

/// The log that a value of LOG_LEVEL asks for: nothing (silent), errors (error), or all (verbose, debug); of any other
/// value, and of none, what is worth telling. `out` outlives it.
std::unique_ptr<Logger> engine_logger(std::string_view log_level, std::FILE* out = stderr);

/// What the environment variables ENGINE_WORKERS and ENGINE_OFFLOADS say, and else the defaults. kInvalidArgument as
/// the settings of `serve` have it.
Result<EngineOptions> engine_environment();

int run_engine_command(const Arguments& arguments);

}  // namespace vpn::cli
