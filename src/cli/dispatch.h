// From the program's name and first argument to the command that is meant.
#pragma once

#include <span>
#include <string_view>

#include "cli/command_line.h"

namespace vpn::cli {

struct Command {
  const char* name;
  const char* summary;
  int (*run)(const Arguments& arguments);
};

/// Runs the command that the first of `arguments` (argv without argv[0]) names, or the engine when `program` (argv[0])
/// is vpn-engine; answers --help and --version itself. The exit code.
int dispatch(std::string_view program, Arguments arguments, std::span<const Command> commands, const char* version);

}  // namespace vpn::cli
