#include "cli/program_name.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace vpn::cli {
namespace {

constexpr const char* kName = "vpn-enabler";

/// What the shell runs for kName: the first executable of that name in the directories of PATH. Empty when there is
/// none.
std::filesystem::path found_in_path() {
  const char* variable = std::getenv("PATH");
  std::string_view directories = variable == nullptr ? "" : variable;
  while (!directories.empty()) {
    const std::string_view directory = directories.substr(0, directories.find(':'));
    directories.remove_prefix(std::min(directory.size() + 1, directories.size()));
    const std::filesystem::path candidate = std::filesystem::path(directory) / kName;
    std::error_code error;
    if (std::filesystem::is_regular_file(candidate, error) && ::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return {};
}

}  // namespace

std::string program_for_shell() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error || std::filesystem::equivalent(found_in_path(), self, error)) return kName;
  return shell_word(self.native());
}

std::string shell_word(std::string_view text) {
  constexpr std::string_view kSafe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:,@%+=";
  if (!text.empty() && text.find_first_not_of(kSafe) == std::string_view::npos) return std::string(text);
  std::string word = "'";
  for (const char c : text) word += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return word + "'";
}

}  // namespace vpn::cli
