#include "cli/command_line.h"

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <utility>

#include "cli/small_file.h"

namespace vpn::cli {
namespace {

/// What was not expected, without what may be a secret in the wrong place: of a flag its name, of anything else
/// nothing.
std::string describe_unexpected(const Arguments& arguments) {
  std::string flags;
  for (const std::string& argument : arguments) {
    const bool is_flag = argument.starts_with("--");
    if (is_flag) flags += " " + argument.substr(0, argument.find_first_not_of("abcdefghijklmnopqrstuvwxyz-"));
  }
  if (flags.empty()) return "there is an argument too many, which is not shown as it may be a secret";
  return "not expected here:" + flags;
}

}  // namespace

std::optional<int> parse_command_line(CLI::App& app, Arguments arguments) {
  std::ranges::reverse(arguments);  // CLI11 takes a vector from its end
  try {
    app.parse(std::move(arguments));
    return std::nullopt;
  } catch (const CLI::CallForHelp&) {
    return print(app.help());
  } catch (const CLI::ExtrasError&) {
    const std::string fault = describe_unexpected(app.remaining(true));
    return report({ErrorCode::kInvalidArgument, fault + "; --help shows how"}, kUsageError);
  } catch (const CLI::ParseError& error) {
    return report({ErrorCode::kInvalidArgument, std::string(error.what()) + "; --help shows how"}, kUsageError);
  }
}

void occupy_standard_streams() {
  // Each stream is opened for what it is not for: to write to it, or to read from it, fails.
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    (void)::open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);  // takes the lowest free number
  }
}

Status write_output(std::string_view text) {
  return write_fully(STDOUT_FILENO, text, "standard output");
}

int print(std::string_view text) {
  const Status written = write_output(text);
  return written ? kSuccess : report(written.error());
}

int report(const Error& error, int exit_code) {
  std::fprintf(stderr, "vpn-enabler: %s\n", error.message.c_str());
  return exit_code;
}

}  // namespace vpn::cli
