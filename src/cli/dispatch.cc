#include "cli/dispatch.h"

#include <algorithm>
#include <cstdio>
#include <string>

#include "cli/engine_arguments.h"

namespace vpn::cli {
namespace {

int print_usage(std::span<const Command> commands, std::FILE* out, int exit_code) {
  std::fputs(
      "A WireGuard VPN gateway, managed over REST.\n"
      "Usage: vpn-enabler COMMAND [arguments] | --help | --version\n\n",
      out);
  for (const Command& command : commands) std::fprintf(out, "  %-8s %s\n", command.name, command.summary);
  std::fputs(
      "\n`vpn-enabler COMMAND --help` shows a command's arguments.\n\n"
      "Example:\n  vpn-enabler serve\n  vpn-enabler client add laptop\n",
      out);
  return exit_code;
}

}  // namespace

int dispatch(std::string_view program, Arguments arguments, std::span<const Command> commands, const char* version) {
  const std::string name = arguments.empty() ? "" : arguments.front();
  if (name == "--version") {
    std::printf("vpn-enabler %s\n", version);
    return kSuccess;
  }
  if (program.substr(program.rfind('/') + 1) == "vpn-engine") return run_engine_command(arguments);
  if (name == "--help" || name == "-h") return print_usage(commands, stdout, kSuccess);
  const auto command = std::ranges::find(commands, name, &Command::name);
  if (command == commands.end()) return print_usage(commands, stderr, kUsageError);
  arguments.erase(arguments.begin());
  return command->run(arguments);
}

}  // namespace vpn::cli
