#include "cli/engine_command.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "base/clock.h"
#include "base/encoding.h"
#include "base/random.h"
#include "base/unique_fd.h"
#include "engine/device.h"
#include "engine/io/linux_tun.h"
#include "engine/uapi_server.h"

namespace vpn::cli {
namespace {

// What the child tells its parent once the socket is served; anything else is the reason why it is not.
constexpr std::string_view kReady = "ready";

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string_view() : std::string_view(value);
}

// The descriptor that an environment variable names; empty when it is not set.
Result<UniqueFd> inherited_fd(const char* name) {
  const std::string_view text = environment(name);
  if (text.empty()) return UniqueFd();
  const auto number = parse_decimal(text, 1 << 20);
  if (!number || ::fcntl(static_cast<int>(*number), F_GETFD) < 0) {
    return fail(ErrorCode::kInvalidArgument, std::string(name) + " is not an open file descriptor", name);
  }
  return UniqueFd(static_cast<int>(*number));
}

/// SIGTERM and SIGINT as something to poll, while this lives.
class StopSignals {
 public:
  StopSignals() {
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    ::pthread_sigmask(SIG_BLOCK, &signals, &before_);
    fd_.reset(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  }
  ~StopSignals() {
    // Taken here, or it would end the process as soon as it is let through.
    signalfd_siginfo taken;
    while (::read(fd_.get(), &taken, sizeof taken) > 0) continue;
    ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;
  int fd() const { return fd_.get(); }

 private:
  sigset_t before_;
  UniqueFd fd_;
};

/// The device and its socket, from start to end.
class Engine {
 public:
  explicit Engine(Logger& logger) : logger_(logger) {}

  Status open(const EngineOptions& options) {
    if (Status status = open_device(options); !status) return status;
    return open_socket();
  }

  void run(const StopSignals& signals) {
    logger_.info("engine started", {{"interface", device_->interface_name()}});
    std::array<pollfd, 3> ends{
        {{signals.fd(), POLLIN, 0}, {device_->closed_fd(), POLLIN, 0}, {server_->closed_fd(), POLLIN, 0}}};
    while (::poll(ends.data(), ends.size(), -1) < 0 && errno == EINTR) continue;
    const char* reason = ends[0].revents != 0   ? "signal"
                         : ends[1].revents != 0 ? "interface removed"
                                                : "socket removed";
    logger_.info("engine ends", {{"interface", device_->interface_name()}, {"reason", reason}});
  }

 private:
  Status open_device(const EngineOptions& options) {
    Result<UniqueFd> inherited = inherited_fd("WG_TUN_FD");
    if (!inherited) return fail(inherited.error());
    auto tuns = *inherited ? engine::io::LinuxTun::adopt(std::move(*inherited), options.offloads)
                           : engine::io::LinuxTun::open(options.interface_name, engine::DeviceOptions().mtu_bytes,
                                                        options.workers, options.offloads);
    if (!tuns) return fail(tuns.error());
    auto device = engine::Device::run_on(std::move(*tuns), options.offloads, clock_, random_, logger_);
    if (!device) return fail(device.error());
    device_ = std::move(*device);
    return {};
  }

  Status open_socket() {
    engine::UapiHandler handler{
        .configure = [this](const engine::protocol::InterfaceUpdate& update) { return device_->configure(update); },
        .snapshot = [this] { return device_->snapshot(); }};
    Result<UniqueFd> inherited = inherited_fd("WG_UAPI_FD");
    if (!inherited) return fail(inherited.error());
    const std::string& name = device_->interface_name();
    auto server = *inherited ? engine::UapiServer::adopt(std::move(*inherited), engine::kUapiDirectory, name,
                                                         std::move(handler), clock_)
                             : engine::UapiServer::open(engine::kUapiDirectory, name, std::move(handler), clock_);
    if (!server) return fail(server.error());
    server_ = std::move(*server);
    return {};
  }

  Logger& logger_;
  SystemClock clock_;
  SystemRandom random_;
  std::unique_ptr<engine::Device> device_;
  std::unique_ptr<engine::UapiServer> server_;  // ends before the device it configures
};

void print_error(std::string_view message) {
  std::fprintf(stderr, "vpn-engine: %.*s\n", static_cast<int>(message.size()), message.data());
}

int run_in_foreground(const EngineOptions& options, Logger& logger) {
  const StopSignals signals;
  Engine engine(logger);
  if (Status status = engine.open(options); !status) {
    print_error(status.error().message);
    return 1;
  }
  engine.run(signals);
  return 0;
}

/// False when the parent is gone.
bool tell(const UniqueFd& pipe, std::string_view text) {
  while (!text.empty()) {
    const ssize_t size = ::write(pipe.get(), text.data(), text.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return false;
    text.remove_prefix(static_cast<std::size_t>(size));
  }
  return true;
}

std::string read_all(const UniqueFd& pipe) {
  std::string text;
  std::array<char, 1024> part;
  for (;;) {
    const ssize_t size = ::read(pipe.get(), part.data(), part.size());
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return text;
    text.append(part.data(), static_cast<std::size_t>(size));
  }
}

// A daemon must not hold its caller's terminal or pipes, unless somebody asked for its log.
void release_stdio() {
  const std::string_view log_level = environment("LOG_LEVEL");
  const bool keep_output = !log_level.empty() && log_level != "silent";
  const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null) return;
  ::dup2(null.get(), STDIN_FILENO);
  if (keep_output) return;
  ::dup2(null.get(), STDOUT_FILENO);
  ::dup2(null.get(), STDERR_FILENO);
}

int run_as_child(const EngineOptions& options, Logger& logger, UniqueFd pipe) {
  ::setsid();
  const StopSignals signals;
  Engine engine(logger);
  if (Status status = engine.open(options); !status) {
    (void)tell(pipe, status.error().message);
    return 1;
  }
  release_stdio();
  if (!tell(pipe, kReady)) return 1;  // an interface that nobody waits for, nobody would remove
  pipe.reset();
  engine.run(signals);
  return 0;
}

}  // namespace

int run_engine(const EngineOptions& options, Logger& logger) {
  if (options.foreground || environment("WG_PROCESS_FOREGROUND") == "1") return run_in_foreground(options, logger);
  const Status started = start_engine(options, logger);
  if (!started) print_error(started.error().message);
  return started ? 0 : 1;
}

Status start_engine(const EngineOptions& options, Logger& logger) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return fail(system_error("cannot make a pipe", errno));
  UniqueFd from_child(ends[0]);
  UniqueFd to_parent(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return fail(system_error("cannot fork", errno));
  if (child == 0) {
    from_child.reset();
    // Not by a return: what the caller would undo at its end is the parent's.
    ::_exit(run_as_child(options, logger, std::move(to_parent)));
  }
  to_parent.reset();
  const std::string answer = read_all(from_child);
  if (answer == kReady) return {};
  ::waitpid(child, nullptr, 0);
  return fail(ErrorCode::kUnavailable, answer.empty() ? "the engine ended before it was ready" : answer);
}

}  // namespace vpn::cli
