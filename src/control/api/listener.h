// Listening sockets, by plain system calls: close-on-exec and non-blocking from the start, which Asio's own do not
// promise.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "base/ip.h"
#include "base/unique_fd.h"

namespace vpn::control {

/// Port 0 takes any free one. `::` serves IPv4 too. Each error names its setting: kUnavailable when the port is
/// taken (API_PORT), kInvalidArgument when the address is not of this machine (API_ADDRESS).
Result<UniqueFd> listen_tcp(const IpAddress& address, std::uint16_t port);

/// A socket file of mode 0600, its directory made (0755) when absent; kInvalidArgument when that fails. One that a
/// crash left behind is replaced; kAlreadyExists when a living process answers on it. The caller removes the file at
/// the end.
Result<UniqueFd> listen_unix(const std::string& path);

/// The port that a TCP listener got.
std::uint16_t local_port(const UniqueFd& listener);

/// The next waiting connection, close-on-exec and non-blocking. An errno when there is none: EAGAIN when nobody waits.
struct Accepted {
  UniqueFd connection;
  int error_number = 0;
};
Accepted accept_connection(int listener);

}  // namespace vpn::control
