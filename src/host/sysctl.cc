#include "host/sysctl.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "base/unique_fd.h"

namespace vpn::host {
namespace {

/// As sysctl(8) has it: net.ipv4.ip_forward.
std::string name_of(std::string_view path) {
  constexpr std::string_view kRoot = "/proc/sys/";
  if (path.starts_with(kRoot)) path.remove_prefix(kRoot.size());
  std::string name(path);
  std::ranges::replace(name, '/', '.');
  return name;
}

}  // namespace

bool switch_is(const std::string& path, char digit) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char value = 0;
  return file && read(file.get(), &value, 1) == 1 && value == digit;
}

Status set_switch(const std::string& path, char digit, const std::string& cure) {
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  const char line[] = {digit, '\n'};
  if (file && write(file.get(), line, sizeof line) == sizeof line) return {};
  Error error = system_error("cannot set " + name_of(path) + " to " + digit, errno);
  error.code = ErrorCode::kPermissionDenied;
  error.message += "; " + cure;
  return fail(std::move(error));
}

Status let_reverse_path_filter_see_marks(const std::string& path) {
  if (switch_is(path, '1')) return {};
  return set_switch(path, '1',
                    "without it the answers of the other end are dropped. Set it from outside: `sysctl -w "
                    "net.ipv4.conf.all.src_valid_mark=1` on a host, `--sysctl` with docker run");
}

}  // namespace vpn::host
