#include "control/api/server.h"

#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cerrno>
#include <list>

#include "base/unique_fd.h"
#include "control/api/listener.h"
#include "control/api/server_state.h"
#include "control/api/session.h"

namespace vpn::control {
namespace {

namespace asio = boost::asio;
using std::chrono::steady_clock;
using Descriptor = asio::posix::basic_stream_descriptor<Executor>;
using Timer = asio::basic_waitable_timer<steady_clock, asio::wait_traits<steady_clock>, Executor>;

// When the process is out of descriptors, until some may be free again.
constexpr std::chrono::milliseconds kAcceptPause{100};
// Connections taken in one go, so that a flood of them leaves time for those that are open.
constexpr int kAcceptBatch = 64;
// A lack of connections or descriptors, which a remote can cause, is told in the log at most so often.
constexpr std::chrono::minutes kWarnInterval{1};

Status check_options(const ApiOptions& options) {
  if (!options.address) {
    return fail(ErrorCode::kInvalidArgument, "API_ADDRESS must be an address, for example 127.0.0.1", "API_ADDRESS");
  }
  if (options.auth == AuthMode::kToken && !options.token && !is_loopback(options.address)) {
    return fail(ErrorCode::kInvalidArgument,
                "API_TOKEN is needed when API_ADDRESS is no loopback address such as 127.0.0.1", "API_TOKEN");
  }
  return {};
}

}  // namespace

class ApiServer::Impl : public std::enable_shared_from_this<Impl> {
 public:
  Impl(asio::io_context& io, ApiOptions options, ApiBackend backend, ServerInfo info);
  ~Impl() { close_listeners(); }

  Status open(const IpAddress& address, std::uint16_t port, const std::string& socket_path);
  void stop(std::function<void()> done);
  void close();

  std::uint16_t port() const { return port_; }
  const ApiCounters& counters() const { return state_->context.counters; }

 private:
  void add_listener(UniqueFd fd, ConnectionKind kind);
  void close_listeners();
  static Awaitable<void> accept_all(std::shared_ptr<Impl> self, Descriptor& listener, ConnectionKind kind);
  bool accept_some(int listener, ConnectionKind kind);
  void admit(UniqueFd connection, ConnectionKind kind);
  bool displace_stranger(ConnectionKind kind);
  bool admit_refused();
  void warn_seldom(std::string_view event);
  static Awaitable<void> sweep(std::shared_ptr<Impl> self);
  void after(std::chrono::milliseconds time, void (*step)(Impl& self));
  void give_up();
  void end_stop();

  Executor executor_;
  std::list<Descriptor> listeners_;  // the accepting coroutines refer to them
  std::uint16_t port_ = 0;
  std::string socket_path_;  // ours to remove
  std::shared_ptr<ServerState> state_;
  Timer stop_timer_;
  std::function<void()> stop_done_;
  bool sweeping_ = false;
  std::optional<Instant> warned_at_;
};

ApiServer::Impl::Impl(asio::io_context& io, ApiOptions options, ApiBackend backend, ServerInfo info)
    : executor_(io.get_executor()), stop_timer_(executor_) {
  const AuthPolicy tcp{options.auth, false, is_loopback(options.address), std::move(options.token)};
  const AuthPolicy unix{.unix_socket = true};
  state_ = std::make_shared<ServerState>(ServerState{
      .context = {backend, std::move(info), options.limits.bulk_answers},
      .limits = options.limits,
      .policies = {tcp, unix},
  });
}

Status ApiServer::Impl::open(const IpAddress& address, std::uint16_t port, const std::string& socket_path) {
  auto tcp = listen_tcp(address, port);
  if (!tcp) return fail(tcp.error());
  if (!socket_path.empty()) {
    auto unix = listen_unix(socket_path);
    if (!unix) return fail(unix.error());
    socket_path_ = socket_path;
    add_listener(std::move(*unix), ConnectionKind::kUnix);
  }
  port_ = local_port(*tcp);
  add_listener(std::move(*tcp), ConnectionKind::kTcp);
  return {};
}

void ApiServer::Impl::add_listener(UniqueFd fd, ConnectionKind kind) {
  Descriptor& listener = listeners_.emplace_back(executor_, fd.release());
  asio::co_spawn(executor_, accept_all(shared_from_this(), listener, kind), asio::detached);
}

void ApiServer::Impl::close_listeners() {
  boost::system::error_code ignored;
  for (Descriptor& listener : listeners_) listener.close(ignored);
  if (!socket_path_.empty()) unlink(socket_path_.c_str());
  socket_path_.clear();
}

void ApiServer::Impl::stop(std::function<void()> done) {
  close_listeners();
  state_->stopping = true;
  stop_done_ = std::move(done);
  state_->on_session_end = [weak = weak_from_this()] {
    const auto self = weak.lock();
    if (self && self->state_->sessions.empty()) self->end_stop();
  };
  for (Session* session : state_->sessions) session->finish();
  if (state_->sessions.empty()) return end_stop();
  after(state_->limits.answer_time, [](Impl& self) {
    self.give_up();
    self.after(self.state_->limits.stop_time, [](Impl& impl) {
      impl.close();
      impl.end_stop();
    });
  });
}

void ApiServer::Impl::after(std::chrono::milliseconds time, void (*step)(Impl& self)) {
  stop_timer_.expires_after(time);
  stop_timer_.async_wait([self = shared_from_this(), step](boost::system::error_code error) {
    if (!error) step(*self);
  });
}

// Nobody who waits for the store is left without an answer.
void ApiServer::Impl::give_up() {
  auto& waiting = state_->context.waiting;
  while (!waiting.empty()) (*waiting.begin())->give_up();
}

void ApiServer::Impl::end_stop() {
  stop_timer_.cancel();
  if (stop_done_) asio::post(executor_, std::exchange(stop_done_, nullptr));
}

void ApiServer::Impl::close() {
  close_listeners();
  stop_timer_.cancel();
  state_->stopping = true;
  for (Session* session : state_->sessions) session->close();
}

Awaitable<void> ApiServer::Impl::accept_all(std::shared_ptr<Impl> self, Descriptor& listener, ConnectionKind kind) {
  Timer pause(self->executor_);
  while (listener.is_open()) {
    auto [error] = co_await listener.async_wait(Descriptor::wait_read, kAwait);
    if (error) co_return;
    if (self->accept_some(listener.native_handle(), kind)) continue;
    self->warn_seldom("no file descriptor or memory for an API connection; trying again in 0.1 s");
    pause.expires_after(kAcceptPause);
    co_await pause.async_wait(kAwait);
  }
}

// False when the process or the machine has no descriptor or memory left for a connection.
bool ApiServer::Impl::accept_some(int listener, ConnectionKind kind) {
  for (int i = 0; i < kAcceptBatch; ++i) {
    Accepted accepted = accept_connection(listener);
    if (accepted.connection) {
      admit(std::move(accepted.connection), kind);
      continue;
    }
    const int error = accepted.error_number;
    if (error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM) return false;
    if (error == EAGAIN) return true;
  }
  return true;
}

void ApiServer::Impl::admit(UniqueFd connection, ConnectionKind kind) {
  ++state_->context.counters.connections;
  const ApiLimits& limits = state_->limits;
  const std::size_t limit = kind == ConnectionKind::kTcp ? limits.tcp_connections : limits.unix_connections;
  const bool refused = state_->open_of(kind) >= limit && !displace_stranger(kind);
  if (refused && !admit_refused()) return;

  const asio::generic::stream_protocol protocol(kind == ConnectionKind::kUnix ? AF_UNIX : AF_INET, 0);
  StreamSocket socket(executor_);
  boost::system::error_code error;
  socket.assign(protocol, connection.get(), error);
  if (error) return;
  connection.release();
  auto session = std::make_shared<Session>(std::move(socket), refused ? ConnectionKind::kRefused : kind, state_);
  asio::co_spawn(executor_, refused ? Session::refuse(std::move(session)) : Session::serve(std::move(session)),
                 asio::detached);
  if (!sweeping_) asio::co_spawn(executor_, sweep(shared_from_this()), asio::detached);
  sweeping_ = true;
}

// Closes the connection that was heard of longest ago among those that have shown no authorization: nobody may hold
// every place by asking for what everyone may see, or by not reading the answer. False when all have.
bool ApiServer::Impl::displace_stranger(ConnectionKind kind) {
  Session* longest = nullptr;
  for (Session* session : state_->sessions) {
    const auto since = session->stranger_since();
    if (session->kind() != kind || !since) continue;
    if (longest == nullptr || *since < *longest->stranger_since()) longest = session;
  }
  if (longest == nullptr) return false;
  warn_seldom("too many API connections; the longest idle without authorization are closed for new ones");
  ++state_->context.counters.connections_displaced;
  longest->close();
  return true;
}

// Whether one more caller can be told that there are too many.
bool ApiServer::Impl::admit_refused() {
  ++state_->context.counters.connections_refused;
  warn_seldom("too many API connections; further ones get 503 until some end");
  return state_->open_of(ConnectionKind::kRefused) < state_->limits.refusals;
}

void ApiServer::Impl::warn_seldom(std::string_view event) {
  const Instant now = state_->context.backend.clock.now();
  if (warned_at_ && now - *warned_at_ < kWarnInterval) return;
  warned_at_ = now;
  state_->context.backend.logger.warn(event, {{"connections", std::to_string(state_->sessions.size())}});
}

// Closes what is overdue, as long as there are connections.
Awaitable<void> ApiServer::Impl::sweep(std::shared_ptr<Impl> self) {
  ServerState& state = *self->state_;
  Timer timer(self->executor_);
  while (!state.sessions.empty()) {
    timer.expires_after(state.limits.sweep_interval);
    co_await timer.async_wait(kAwait);
    const auto now = steady_clock::now();
    for (Session* session : state.sessions) {
      if (!session->is_overdue(now)) continue;
      ++state.context.counters.connections_timed_out;
      session->close();
    }
  }
  self->sweeping_ = false;
}

Result<std::unique_ptr<ApiServer>> ApiServer::listen(asio::io_context& io, ApiOptions options, ApiBackend backend,
                                                     ServerInfo info) {
  if (Status checked = check_options(options); !checked) return fail(checked.error());
  const IpAddress address = options.address;
  const std::uint16_t port = options.port;
  const std::string socket_path = options.socket_path;
  auto impl = std::make_shared<Impl>(io, std::move(options), backend, std::move(info));
  if (Status opened = impl->open(address, port, socket_path); !opened) {
    impl->close();
    return fail(opened.error());
  }
  return std::unique_ptr<ApiServer>(new ApiServer(std::move(impl)));
}

ApiServer::ApiServer(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}
ApiServer::~ApiServer() {
  impl_->close();
}

void ApiServer::stop(std::function<void()> done) {
  impl_->stop(std::move(done));
}
std::uint16_t ApiServer::port() const {
  return impl_->port();
}
const ApiCounters& ApiServer::counters() const {
  return impl_->counters();
}

}  // namespace vpn::control
