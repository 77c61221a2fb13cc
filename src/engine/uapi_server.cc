#include "engine/uapi_server.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/check.h"
#include "base/thread.h"

namespace vpn::engine {
namespace {

constexpr int kBacklog = 16;

std::string socket_path(const std::string& directory, const std::string& interface_name) {
  return directory + "/" + interface_name + ".sock";
}

Result<sockaddr_un> socket_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(ErrorCode::kInvalidArgument, "the path " + path + " is too long");
  std::copy(path.begin(), path.end(), std::begin(address.sun_path));
  return address;
}

// For the directory's owner alone, whatever the umask, which belongs to the whole process.
Status make_directory(const std::string& directory) {
  if (::mkdir(directory.c_str(), 0700) == 0 || errno == EEXIST) return {};
  return fail(system_error("cannot make " + directory, errno));
}

int bind_to(int fd, const sockaddr_un& address) {
  return ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 ? 0 : errno;
}

bool somebody_listens(const sockaddr_un& address) {
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

Result<UniqueFd> listen_on(const std::string& path) {
  const Result<sockaddr_un> address = socket_address(path);
  if (!address) return fail(address.error());
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail(system_error("cannot make a socket", errno));
  // The mode that bind() gives the file, less the umask: nobody else can connect at any moment.
  ::fchmod(fd.get(), 0600);
  int error = bind_to(fd.get(), *address);
  if (error == EADDRINUSE) {
    if (somebody_listens(*address)) {
      return fail(ErrorCode::kAlreadyExists, path + " is in use: the interface is served by another program");
    }
    ::unlink(path.c_str());
    error = bind_to(fd.get(), *address);
  }
  if (error != 0) return fail(system_error("cannot make " + path, error));
  if (::listen(fd.get(), kBacklog) != 0) return fail(system_error("cannot listen on " + path, errno));
  return fd;
}

}  // namespace

Result<std::unique_ptr<UapiServer>> UapiServer::open(const std::string& directory, const std::string& interface_name,
                                                     UapiHandler handler, const Clock& clock) {
  if (Status status = make_directory(directory); !status) return fail(status.error());
  Result<UniqueFd> listener = listen_on(socket_path(directory, interface_name));
  if (!listener) return fail(listener.error());
  return adopt(std::move(*listener), directory, interface_name, std::move(handler), clock);
}

Result<std::unique_ptr<UapiServer>> UapiServer::adopt(UniqueFd listener, const std::string& directory,
                                                      const std::string& interface_name, UapiHandler handler,
                                                      const Clock& clock) {
  ::fcntl(listener.get(), F_SETFD, FD_CLOEXEC);
  ::fcntl(listener.get(), F_SETFL, ::fcntl(listener.get(), F_GETFL) | O_NONBLOCK);
  std::unique_ptr<UapiServer> server(
      new UapiServer(std::move(listener), socket_path(directory, interface_name), std::move(handler), clock));
  if (Status status = server->start(directory); !status) return fail(status.error());
  return server;
}

UapiServer::UapiServer(UniqueFd listener, std::string path, UapiHandler handler, const Clock& clock)
    : listener_(std::move(listener)),
      path_(std::move(path)),
      file_(file_id(path_)),
      handler_(std::move(handler)),
      clock_(clock),
      stop_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      closed_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      watch_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {}

Status UapiServer::start(const std::string& directory) {
  if (!stop_ || !closed_ || !watch_) return fail(system_error("cannot watch the UAPI socket", errno));
  const std::uint32_t removal = IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR;
  if (::inotify_add_watch(watch_.get(), directory.c_str(), removal) < 0) {
    return fail(system_error("cannot watch " + directory, errno));
  }
  thread_ = start_thread("wg-uapi", [this] { run(); });
  return {};
}

UapiServer::~UapiServer() {
  if (thread_.joinable()) {
    CHECK(::eventfd_write(stop_.get(), 1) == 0);
    thread_.join();
  }
  if (file_ != FileId{} && file_id(path_) == file_) ::unlink(path_.c_str());
}

UapiServer::FileId UapiServer::file_id(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) return {};
  return {status.st_dev, status.st_ino};
}

void UapiServer::run() {
  std::vector<pollfd> polled;
  for (;;) {
    const Instant begun = clock_.now();
    const short accepting = clients_.size() < kMaxConnections && begun >= accept_from_ ? POLLIN : 0;
    polled = {{stop_.get(), POLLIN, 0}, {watch_.get(), POLLIN, 0}, {listener_.get(), accepting, 0}};
    const std::size_t first_client = polled.size();
    for (const Client& client : clients_) {
      polled.push_back(
          {client.fd.get(), static_cast<short>(client.connection->output().empty() ? POLLIN : POLLOUT), 0});
    }
    if (::poll(polled.data(), polled.size(), poll_timeout_ms(begun)) < 0) continue;
    if (polled[0].revents != 0) return;
    if (polled[1].revents != 0) notice_removal();

    const Instant now = clock_.now();
    for (std::size_t i = clients_.size(); i-- > 0;) {
      Client& client = clients_[i];
      const short events = polled[first_client + i].revents;
      if (events != 0) client.last_active = now;
      if (!serve(client, events) || now - client.last_active >= kMaxIdle) {
        clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(i));
      }
    }
    if ((polled[2].revents & POLLIN) != 0) accept_one(now);
  }
}

// Until a silent connection is to be closed or the listener looked at again; -1: only events matter.
int UapiServer::poll_timeout_ms(Instant now) const {
  Instant until = now < accept_from_ ? accept_from_ : Instant::max();
  for (const Client& client : clients_) until = std::min(until, client.last_active + kMaxIdle);
  if (until == Instant::max()) return -1;
  return std::max(0, static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(until - now).count()));
}

void UapiServer::accept_one(Instant now) {
  UniqueFd fd(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (fd) {
    clients_.push_back({std::move(fd), std::make_unique<UapiConnection>(handler_), now});
  } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
    accept_from_ = now + kAcceptPause;  // the connection stays in the queue, and the listener readable
  }
}

void UapiServer::notice_removal() {
  std::array<char, 4096> events;
  while (::read(watch_.get(), events.data(), events.size()) > 0) continue;
  if (file_id(path_) != file_) CHECK(::eventfd_write(closed_.get(), 1) == 0);
}

bool UapiServer::serve(Client& client, short events) {
  UapiConnection& connection = *client.connection;
  if ((events & POLLIN) != 0) {
    const std::span<char> room = connection.input_room();
    const ssize_t size = ::read(client.fd.get(), room.data(), room.size());
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) return false;
    if (size > 0) connection.input_filled(static_cast<std::size_t>(size));
  } else if ((events & (POLLERR | POLLHUP | POLLNVAL)) != 0) {
    return false;
  }
  const std::string_view output = connection.output();
  if (!output.empty()) {
    const ssize_t size = ::send(client.fd.get(), output.data(), output.size(), MSG_NOSIGNAL);
    if (size < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (size > 0) connection.output_sent(static_cast<std::size_t>(size));
  }
  return !(connection.broken() && connection.output().empty());
}

}  // namespace vpn::engine
