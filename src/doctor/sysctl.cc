#include "doctor/sysctl.h"

#include <unistd.h>

#include <algorithm>

#include "doctor/proc.h"

namespace vpn::doctor {

Sysctl read_sysctl(const std::string& path) {
  const std::string file = "/proc/sys/" + path;
  std::string name = path;
  // sysctl(8): where the separators are dots, a dot within an interface's name is a slash.
  std::ranges::transform(name, name.begin(), [](char c) { return c == '/' ? '.' : c == '.' ? '/' : c; });
  return {name, read_number(file), ::access(file.c_str(), W_OK) == 0};
}

}  // namespace vpn::doctor
