// Which file, and so which interface, a command line means.
//
// One thread, its caller's.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"
#include "quick/wg_quick_file.h"

namespace vpn::quick {

struct ConfigFile {
  std::filesystem::path path;  ///< absolute
  std::string interface_name;  ///< the file's name without .conf
};

/// "wg0" is /etc/wireguard/wg0.conf, as for wg-quick; what has a slash or ends in .conf is the file itself. It need not
/// exist. kInvalidArgument for a name that no interface can have.
Result<ConfigFile> locate(std::string_view argument);

/// The file parsed; an error names it.
Result<WgQuickFile> read(const ConfigFile& config);

/// Whether others than its owner and group may read or change it.
bool is_open_to_others(const ConfigFile& config);

}  // namespace vpn::quick
