#include "cli/service_manager.h"

#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <utility>

namespace vpn::cli {
namespace {

/// A manager that takes nothing for so long (it may be starting itself anew) must not hold up the control strand.
constexpr timeval kSendTime{.tv_sec = 1, .tv_usec = 0};

/// The number in an environment variable; 0 when it is not set or no number.
std::uint64_t number_variable(const char* name) {
  const char* text = std::getenv(name);
  if (text == nullptr) return 0;
  const std::string_view digits = text;
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return error == std::errc() && end == digits.data() + digits.size() ? number : 0;
}

/// Half the watchdog's time, so that one late call is no hang; at least a millisecond.
std::chrono::milliseconds interval_of(std::chrono::microseconds watchdog) {
  if (watchdog.count() == 0) return std::chrono::milliseconds(0);
  return std::max(std::chrono::milliseconds(1), std::chrono::floor<std::chrono::milliseconds>(watchdog / 2));
}

}  // namespace

ServiceEnvironment service_environment() {
  ServiceEnvironment environment;
  if (const char* socket = std::getenv("NOTIFY_SOCKET")) environment.notify_socket = socket;
  const std::uint64_t watchdog_pid = number_variable("WATCHDOG_PID");
  if (watchdog_pid == 0 || watchdog_pid == static_cast<std::uint64_t>(::getpid())) {
    // A day is as good as any longer time, and cannot overflow.
    constexpr std::uint64_t kLongestUsec = std::uint64_t{24} * 3600 * 1'000'000;
    environment.watchdog = std::chrono::microseconds(std::min(number_variable("WATCHDOG_USEC"), kLongestUsec));
  }
  return environment;
}

ServiceManager::ServiceManager(const ServiceEnvironment& environment, control::Delay delay, Logger& logger)
    : delay_(std::move(delay)), logger_(logger), watchdog_interval_(interval_of(environment.watchdog)) {
  if (environment.notify_socket.empty()) return;
  if (const Status opened = open(environment.notify_socket); !opened) {
    logger_.warn("the service manager cannot be told of this gateway, which goes on",
                 {{"cause", opened.error().message}});
  }
}

void ServiceManager::ready(std::string_view status) {
  tell("READY=1\nSTATUS=" + std::string(status));
  if (socket_ && watchdog_interval_.count() > 0 && !std::exchange(fed_, true)) feed_watchdog();
}

void ServiceManager::stopping() {
  stopping_ = true;
  tell("STOPPING=1\nSTATUS=stopping");
}

void ServiceManager::feed_watchdog() {
  if (stopping_) return;
  tell("WATCHDOG=1");
  delay_(watchdog_interval_, [this] { feed_watchdog(); });
}

Status ServiceManager::open(const std::string& notify_socket) {
  const bool known = notify_socket.front() == '/' || notify_socket.front() == '@';
  if (!known || notify_socket.size() >= sizeof address_.sun_path) {
    return fail(ErrorCode::kUnsupported, "NOTIFY_SOCKET is neither an absolute path nor @name, of up to 107 bytes");
  }
  address_.sun_family = AF_UNIX;
  std::ranges::copy(notify_socket, address_.sun_path);
  // unix(7), abstract sockets: a NUL comes first, and the length alone says where the name ends.
  if (notify_socket.front() == '@') address_.sun_path[0] = '\0';
  address_size_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + notify_socket.size());

  socket_.reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket_) return fail(system_error("cannot make a socket", errno));
  (void)::setsockopt(socket_.get(), SOL_SOCKET, SO_SNDTIMEO, &kSendTime, sizeof kSendTime);
  return {};
}

Status ServiceManager::send(std::string_view text) {
  // By address each time: the manager may have been replaced, and its socket with it.
  const auto* address = reinterpret_cast<const sockaddr*>(&address_);
  ssize_t sent = -1;
  do {
    sent = ::sendto(socket_.get(), text.data(), text.size(), MSG_NOSIGNAL, address, address_size_);
  } while (sent < 0 && errno == EINTR);
  return sent < 0 ? fail(system_error("cannot write to NOTIFY_SOCKET", errno)) : Status();
}

void ServiceManager::tell(std::string_view text) {
  if (!socket_) return;
  const Status sent = send(text);
  if (!sent && !failing_) {
    logger_.warn("the service manager takes no word of this gateway, which goes on", {{"cause", sent.error().message}});
  }
  failing_ = !sent;
}

}  // namespace vpn::cli
