#include "control/api/listener.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <optional>

#include "base/check.h"

namespace vpn::control {
namespace {

constexpr int kStreamFlags = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

template <typename SocketAddress>
const sockaddr* as_sockaddr(const SocketAddress& address) {
  return reinterpret_cast<const sockaddr*>(&address);
}

/// `cure` is the end of the sentence; `code`, where it is given, stands instead of the system's own.
Failure fail_at(std::string_view what, int error_number, const std::string& field, std::string_view cure = {},
                std::optional<ErrorCode> code = {}) {
  Error error = system_error(field + ": " + std::string(what), error_number);
  error.message += cure;
  error.code = code.value_or(error.code);
  error.field = field;
  return fail(std::move(error));
}

Failure cannot_listen(const IpAddress& address, std::uint16_t port, int error_number) {
  const std::string what = "cannot listen on " + to_string(Endpoint{address, port});
  if (error_number == EADDRNOTAVAIL) {
    return fail_at(what, error_number, "API_ADDRESS", "; take an address of this machine, for example 127.0.0.1",
                   ErrorCode::kInvalidArgument);
  }
  if (error_number == EADDRINUSE) {
    return fail_at(what, error_number, "API_PORT",
                   "; stop the program that has it (`ss -ltnp` shows it), or choose another, for example API_PORT=3001",
                   ErrorCode::kUnavailable);
  }
  return fail_at(what, error_number, "API_PORT", "; choose another, for example API_PORT=3000");
}

constexpr std::string_view kOtherPath = "; choose another path, for example /run/vpn-enabler/api.sock";

std::optional<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path || path.find('\0') != std::string::npos) return {};
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

Status make_parent_directory(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return {};
  const std::string directory = path.substr(0, slash);
  if (mkdir(directory.c_str(), 0755) < 0 && errno != EEXIST) {
    return fail_at("cannot make the directory " + directory, errno, "API_SOCKET", kOtherPath,
                   ErrorCode::kInvalidArgument);
  }
  return {};
}

// Removes a socket file that nobody listens on any more; anything else that stands there is left alone.
Status remove_stale_socket(const std::string& path, const sockaddr_un& address) {
  struct stat status{};
  if (lstat(path.c_str(), &status) < 0) return {};
  if (!S_ISSOCK(status.st_mode)) {
    return fail(ErrorCode::kAlreadyExists,
                "API_SOCKET: " + path + " exists and is no socket; remove it or choose another path", "API_SOCKET");
  }
  const UniqueFd probe(socket(AF_UNIX, kStreamFlags, 0));
  if (!probe) return fail_at("cannot make a unix socket", errno, "API_SOCKET");
  if (connect(probe.get(), as_sockaddr(address), sizeof address) == 0 || errno == EAGAIN) {
    return fail(ErrorCode::kAlreadyExists,
                "API_SOCKET: another process serves " + path + "; stop it or choose another path", "API_SOCKET");
  }
  if (errno != ECONNREFUSED) return fail_at("cannot replace " + path, errno, "API_SOCKET");
  if (unlink(path.c_str()) < 0 && errno != ENOENT) return fail_at("cannot remove " + path, errno, "API_SOCKET");
  return {};
}

}  // namespace

Result<UniqueFd> listen_tcp(const IpAddress& address, std::uint16_t port) {
  const std::string name = to_string(Endpoint{address, port});
  sockaddr_storage socket_address{};
  const socklen_t size = Endpoint{address, port}.to_sockaddr(socket_address);
  UniqueFd fd(socket(socket_address.ss_family, kStreamFlags, IPPROTO_TCP));
  if (!fd) return fail_at("cannot make a TCP socket for " + name, errno, "API_ADDRESS");

  const int on = 1;
  const int off = 0;
  setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (address.is_v6()) setsockopt(fd.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  // Accepted connections inherit it: an answer leaves at once.
  setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (bind(fd.get(), as_sockaddr(socket_address), size) < 0 || ::listen(fd.get(), SOMAXCONN) < 0) {
    return cannot_listen(address, port, errno);
  }
  return fd;
}

Result<UniqueFd> listen_unix(const std::string& path) {
  const auto address = unix_address(path);
  if (!address) {
    return fail(ErrorCode::kInvalidArgument,
                "API_SOCKET must be a path of 1 to " + std::to_string(sizeof(sockaddr_un::sun_path) - 1) +
                    " bytes, for example /run/vpn-enabler/api.sock",
                "API_SOCKET");
  }
  if (Status made = make_parent_directory(path); !made) return fail(made.error());
  if (Status removed = remove_stale_socket(path, *address); !removed) return fail(removed.error());

  UniqueFd fd(socket(AF_UNIX, kStreamFlags, 0));
  if (!fd) return fail_at("cannot make a unix socket", errno, "API_SOCKET");
  // Linux gives the file the mode of the unbound socket: there is no moment in which others may connect.
  if (fchmod(fd.get(), 0600) < 0 || bind(fd.get(), as_sockaddr(*address), sizeof *address) < 0 ||
      ::listen(fd.get(), SOMAXCONN) < 0) {
    return fail_at("cannot listen on " + path, errno, "API_SOCKET", kOtherPath);
  }
  return fd;
}

std::uint16_t local_port(const UniqueFd& listener) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  CHECK(getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return Endpoint::from_sockaddr(address).port;
}

Accepted accept_connection(int listener) {
  UniqueFd connection(accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  return connection ? Accepted{std::move(connection), 0} : Accepted{UniqueFd(), errno};
}

}  // namespace vpn::control
