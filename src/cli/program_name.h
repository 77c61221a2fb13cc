// How a person at a shell calls this very program.
#pragma once

#include <string>
#include <string_view>

namespace vpn::cli {

/// "vpn-enabler" where the shell finds this file by that name, else its absolute path; as one word of a shell.
std::string program_for_shell();

/// The text as one word of a POSIX shell: as it is where that is safe, else in single quotes.
std::string shell_word(std::string_view text);

}  // namespace vpn::cli
