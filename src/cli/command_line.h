// What all commands do alike: parse their arguments, print, and say on stderr what is wrong.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace CLI {
class App;
}

namespace vpn::cli {

// Exit codes.
constexpr int kSuccess = 0;
constexpr int kFailure = 1;
constexpr int kUsageError = 2;  ///< a wrong argument or setting, or a store that cannot be used; nothing was changed

/// A command's arguments, without the program's and the command's names.
using Arguments = std::vector<std::string>;

/// Parses the arguments into what was declared on `app`. The exit code when the program is to end here: help was
/// printed, or the fault of an argument on stderr.
std::optional<int> parse_command_line(CLI::App& app, Arguments arguments);

/// Before anything is opened: no file or socket of ours may become the standard stream that the caller closed. To use
/// such a stream is an error afterwards, as it was.
void occupy_standard_streams();

/// Writes all of `text` to standard output, at once: no buffer keeps a copy of what may be a secret.
Status write_output(std::string_view text);

/// The same as a command's last act: the exit code.
int print(std::string_view text);

/// Prints "vpn-enabler: message" on stderr. Returns `exit_code`, for `return report(...)`.
int report(const Error& error, int exit_code = kFailure);

}  // namespace vpn::cli
