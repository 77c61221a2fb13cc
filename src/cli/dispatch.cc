#include "cli/dispatch.h"

#include <algorithm>
#include <cstdio>
#include <string>

#include "cli/engine_arguments.h"

namespace vpn::cli {
namespace {

std::string usage(std::span<const Command> commands) {
  constexpr std::size_t kNameColumn = 9;
  std::string text =
      "A WireGuard VPN gateway, managed over REST.\n"
      "Usage: vpn-enabler COMMAND [arguments] | --help | --version\n\n";
  for (const Command& command : commands) {
    std::string name = command.name;
    name.resize(kNameColumn, ' ');
    text += "  " + name + command.summary + "\n";
  }
  return text +
         "\n`vpn-enabler COMMAND --help` shows a command's arguments.\n\n"
         "Example:\n  vpn-enabler serve\n  vpn-enabler client add laptop\n";
}

}  // namespace

int dispatch(std::string_view program, Arguments arguments, std::span<const Command> commands, const char* version) {
  const std::string name = arguments.empty() ? "" : arguments.front();
  if (name == "--version") return print("vpn-enabler " + std::string(version) + "\n");
  if (program.substr(program.rfind('/') + 1) == "vpn-engine") return run_engine_command(arguments);
  if (name == "--help" || name == "-h") return print(usage(commands));
  const auto command = std::ranges::find(commands, name, &Command::name);
  if (command == commands.end()) {
    std::fputs(usage(commands).c_str(), stderr);
    return kUsageError;
  }
  arguments.erase(arguments.begin());
  return command->run(arguments);
}

}  // namespace vpn::cli
