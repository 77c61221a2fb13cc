#include "quick/config_file.h"

#include <sys/stat.h>

#include <system_error>

#include "base/secret.h"
#include "cli/setting_values.h"
#include "cli/small_file.h"

namespace vpn::quick {
namespace {

constexpr const char* kDirectory = "/etc/wireguard";
constexpr std::string_view kExtension = ".conf";

mode_t mode_of(const std::filesystem::path& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 ? status.st_mode : 0;
}

}  // namespace

Result<ConfigFile> locate(std::string_view argument) {
  const bool is_file = argument.find('/') != argument.npos || argument.ends_with(kExtension);
  ConfigFile config;
  config.path = is_file ? std::filesystem::path(argument)
                        : std::filesystem::path(kDirectory) / (std::string(argument) + std::string(kExtension));
  std::error_code error;
  config.path = std::filesystem::absolute(config.path, error).lexically_normal();
  const std::string file_name = config.path.filename();
  const bool has_extension = file_name.ends_with(kExtension);
  const std::string stem = file_name.substr(0, file_name.size() - (has_extension ? kExtension.size() : 0));
  const cli::Fault fault = cli::parse_interface(stem, config.interface_name);
  if (!error && has_extension && fault.empty()) return config;
  return fail(
      ErrorCode::kInvalidArgument,
      "CONF is the name of an interface, for example wg0, or a file named after one, for example ./wg0.conf: up "
      "to 15 letters, digits and _=+.-");
}

Result<WgQuickFile> read(const ConfigFile& config) {
  auto text = cli::read_small_file(config.path, kMaxFileBytes);
  if (!text) return fail(std::move(text.error()));
  auto file = parse_wg_quick_file(*text);
  wipe(text->data(), text->size());
  if (file) return file;
  return fail(file.error().code, config.path.string() + ": " + file.error().message, file.error().field);
}

bool is_open_to_others(const ConfigFile& config) {
  return (mode_of(config.path) & mode_of(config.path.parent_path()) & 0007) != 0;
}

}  // namespace vpn::quick
