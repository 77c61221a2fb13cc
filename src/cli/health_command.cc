#include "cli/health_command.h"

#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <string>
#include <string_view>

#include "base/unique_fd.h"
#include "cli/settings.h"

namespace vpn::cli {
namespace {

/// A gateway that takes longer for one step of it is not well.
constexpr timeval kAnswerTime{.tv_sec = 5, .tv_usec = 0};
/// Far more than /health ever answers; the rest is not read.
constexpr std::size_t kMaxAnswerBytes = std::size_t{64} * 1024;

Failure no_answer(const std::string& socket_path, int error_number) {
  Error error = system_error("no gateway answers on " + socket_path, error_number);
  error.message += "; is `vpn-enabler serve` running?";
  return fail(std::move(error));
}

Result<UniqueFd> connect(const std::string& socket_path) {
  sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
  if (socket_path.size() >= sizeof address.sun_path) return no_answer(socket_path, ENAMETOOLONG);
  std::ranges::copy(socket_path, address.sun_path);
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return no_answer(socket_path, errno);
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &kAnswerTime, sizeof kAnswerTime);
  (void)::setsockopt(socket.get(), SOL_SOCKET, SO_RCVTIMEO, &kAnswerTime, sizeof kAnswerTime);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return no_answer(socket_path, errno);
  }
  return socket;
}

/// The whole answer to GET /health. One request, which the gateway ends: less than a client of HTTP, and nothing to
/// start, for what may run every few seconds.
Result<std::string> ask(const std::string& socket_path) {
  const Result<UniqueFd> socket = connect(socket_path);
  if (!socket) return fail(socket.error());
  constexpr std::string_view kRequest = "GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
  if (::send(socket->get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0) return no_answer(socket_path, errno);
  std::string answer;
  std::array<char, 4096> part;
  while (answer.size() < kMaxAnswerBytes) {
    const ssize_t size = ::read(socket->get(), part.data(), part.size());
    if (size == 0) break;
    if (size > 0) {
      answer.append(part.data(), static_cast<std::size_t>(size));
    } else if (errno != EINTR) {
      return no_answer(socket_path, errno);
    }
  }
  return answer;
}

}  // namespace

int run_health(const Arguments& arguments) {
  std::string socket_path = kDefaultApiSocket;
  CLI::App app("Says whether the gateway on this machine is well: exit code 0 or 1.", "vpn-enabler health");
  app.footer("Example:\n  vpn-enabler health && echo well");
  app.add_option("--api-socket", socket_path, "The gateway's unix socket")
      ->envname("API_SOCKET")
      ->capture_default_str();
  if (const auto exit_code = parse_command_line(app, arguments)) return *exit_code;

  const Result<std::string> answer = ask(socket_path);
  if (!answer) return report(answer.error());
  const std::size_t head_end = answer->find("\r\n\r\n");
  if (!answer->starts_with("HTTP/1.1 ") || head_end == std::string::npos) {
    return report({ErrorCode::kCorrupt, "what answers on " + socket_path + " is no gateway"});
  }
  const int printed = print(answer->substr(head_end + 4) + "\n");
  return answer->starts_with("HTTP/1.1 200 ") ? printed : kFailure;
}

}  // namespace vpn::cli
