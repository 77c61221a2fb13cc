#include "host/forwarding.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "base/unique_fd.h"

namespace vpn::host {
namespace {

constexpr const char* kCure =
    "; without IPv4 forwarding no client reaches the site. Set it from outside: `sysctl -w net.ipv4.ip_forward=1` on a "
    "host, "
    "`--sysctl net.ipv4.ip_forward=1` with docker run, securityContext.sysctls of the pod in Kubernetes";

bool is_enabled(const std::string& path) {
  const UniqueFd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  char value = '0';
  return file && read(file.get(), &value, 1) == 1 && value == '1';
}

}  // namespace

Status enable_ipv4_forwarding(const std::string& path) {
  if (is_enabled(path)) return {};
  const UniqueFd file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  if (file && write(file.get(), "1\n", 2) == 2) return {};
  // EROFS, EACCES, ENOENT: whichever way it is out of reach, the operator has to do it.
  Error error = system_error("cannot set net.ipv4.ip_forward to 1", errno);
  error.code = ErrorCode::kPermissionDenied;
  error.message += kCure;
  return fail(std::move(error));
}

Status check_ipv4_forwarding(const std::string& path) {
  if (is_enabled(path)) return {};
  return fail(ErrorCode::kUnavailable, "net.ipv4.ip_forward is not 1" + std::string(kCure));
}

}  // namespace vpn::host
