#include "cli/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <utility>

namespace vpn::cli {

std::optional<int> parse_command_line(CLI::App& app, Arguments arguments) {
  std::ranges::reverse(arguments);  // CLI11 takes a vector from its end
  try {
    app.parse(std::move(arguments));
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    std::fputs(app.help().c_str(), stdout);
    return kSuccess;
  } catch (const CLI::ParseError& error) {
    return report({ErrorCode::kInvalidArgument, std::string(error.what()) + "; --help shows how"}, kUsageError);
  }
}

int report(const Error& error, int exit_code) {
  std::fprintf(stderr, "vpn-enabler: %s\n", error.message.c_str());
  return exit_code;
}

}  // namespace vpn::cli
