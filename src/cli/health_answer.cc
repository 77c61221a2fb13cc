#include "cli/health_answer.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>

#include "base/unique_fd.h"

namespace vpn::cli {
namespace {

/// Far more than /health ever answers; the rest is not read.
constexpr std::size_t kMaxAnswerBytes = std::size_t{64} * 1024;

Failure no_answer(const std::string& socket_path, int error_number) {
  Error error = system_error("no gateway answers on " + socket_path, error_number);
  error.message += "; is `vpn-enabler serve` running?";
  if (error_number == ENOENT || error_number == ECONNREFUSED) error.code = ErrorCode::kNotFound;
  if (error_number == EAGAIN) error.code = ErrorCode::kUnavailable;
  return fail(std::move(error));
}

Result<UniqueFd> connect(const std::string& socket_path, std::chrono::seconds patience) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (socket_path.size() >= sizeof address.sun_path) return no_answer(socket_path, ENAMETOOLONG);
  std::ranges::copy(socket_path, address.sun_path);
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return no_answer(socket_path, errno);
  const timeval limit{.tv_sec = patience.count(), .tv_usec = 0};
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return no_answer(socket_path, errno);
  }
  return socket;
}

/// The whole answer. One request, which the gateway ends: less than a client of HTTP, and nothing to start, for what
/// may run every few seconds.
Result<std::string> ask(int socket, const std::string& socket_path) {
  constexpr std::string_view kRequest = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (::send(socket, kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0) return no_answer(socket_path, errno);
  std::string answer;
  std::array<char, 4096> part;
  while (answer.size() < kMaxAnswerBytes) {
    const ssize_t size = ::read(socket, part.data(), part.size());
    if (size == 0) break;
    if (size > 0) {
      answer.append(part.data(), static_cast<std::size_t>(size));
    } else if (errno != EINTR) {
      return no_answer(socket_path, errno);
    }
  }
  return answer;
}

int process_behind(int socket) {
  ucred peer{};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 ? peer.pid : 0;
}

}  // namespace

Result<HealthAnswer> ask_health(const std::string& socket_path, std::chrono::seconds patience) {
  const Result<UniqueFd> socket = connect(socket_path, patience);
  if (!socket) return fail(socket.error());
  const Result<std::string> answer = ask(socket->get(), socket_path);
  if (!answer) return fail(answer.error());
  const std::size_t head_end = answer->find("\r\n\r\n");
  if (!answer->starts_with("HTTP/1.1 ") || head_end == std::string::npos) {
    return fail(ErrorCode::kCorrupt, "what answers on " + socket_path + " is no gateway");
  }
  return HealthAnswer{process_behind(socket->get()), answer->starts_with("HTTP/1.1 200 "),
                      answer->substr(head_end + 4)};
}

}  // namespace vpn::cli
