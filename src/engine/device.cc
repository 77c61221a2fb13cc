#include "engine/device.h"

#include <sched.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "base/check.h"
#include "engine/device_parts.h"
#include "engine/io/linux_tun.h"
#include "engine/io/linux_udp.h"
#include "engine/worker.h"

namespace vpn::engine {
namespace {

// What of `wanted` this kernel has.
io::Offloads usable_offloads(const io::Tun& tun, io::Offloads wanted) {
  const io::Offloads udp = io::LinuxUdp::available();
  return {.tso = tun.takes_tcp_super_packets(),
          .uso = tun.takes_udp_super_packets(),
          .gso = wanted.gso && udp.gso,
          .gro = wanted.gro && udp.gro};
}

void tell_offloads(Logger& logger, const std::string& interface_name, io::Offloads wanted, io::Offloads usable) {
  const auto state = [&](bool io::Offloads::* offload) {
    return usable.*offload ? "on" : wanted.*offload ? "the kernel has none" : "off";
  };
  logger.info("offloads", {{"interface", interface_name},
                           {"tso", state(&io::Offloads::tso)},
                           {"uso", state(&io::Offloads::uso)},
                           {"gso", state(&io::Offloads::gso)},
                           {"gro", state(&io::Offloads::gro)}});
}

}  // namespace

using protocol::InterfaceSnapshot;
using protocol::InterfaceUpdate;
using protocol::LearnedEndpoint;
using protocol::Moment;
using protocol::PeerSnapshot;

class Device::Impl {
 public:
  Impl(DeviceParts parts, const Clock& clock, Random& random, Logger& logger);
  ~Impl();
  Status start();

  const std::string& interface_name() const { return parts_.tuns.front()->name(); }
  int closed_fd() const { return closed_.get(); }

  Status configure(const InterfaceUpdate& update);
  Status listening() const;
  InterfaceSnapshot snapshot() const;
  std::optional<PeerSnapshot> peer(const PublicKey& key) const { return interface_.snapshot_of(key); }
  CounterValues counters() const;
  CounterValues worker_counters(std::size_t number) const { return workers_[number]->counters(); }
  std::vector<LearnedEndpoint> take_learned_endpoints();
  void on_learned_endpoints(std::function<void()> listener);

 private:
  Moment now() const { return {clock_.now(), clock_.wall_now()}; }

  // On the worker's thread.
  void on_link_news();
  void on_learned();
  void close();

  // The caller holds mutex_.
  void follow_link();
  Status apply(const InterfaceUpdate& update);
  Status mark_sockets(std::uint32_t fwmark);
  Result<io::UdpSockets> open_udp(std::uint16_t port, std::uint32_t fwmark) const;
  Status open_sockets();
  void use_sockets(io::UdpSockets sockets);
  void set_up(bool up);
  void send_actions();

  DeviceParts parts_;
  const Clock& clock_;
  Logger& logger_;
  protocol::Interface interface_;
  UniqueFd closed_;
  std::function<void()> learned_listener_;
  std::atomic<bool> learned_told_ = false;  ///< the listener was called and has not taken yet

  mutable std::mutex mutex_;  ///< serializes configuration and link changes; guards what follows
  bool up_ = false;
  bool configured_ = false;  ///< a port or a key was set
  std::uint16_t port_ = 0;
  std::uint32_t fwmark_ = 0;
  io::UdpSockets sockets_;  ///< a worker's each, or none
  Status listening_;        ///< the last attempt to open them
  protocol::Actions actions_;
  Outbox outbox_;
  Counters counters_;  ///< of what is sent under mutex_

  std::vector<std::unique_ptr<Worker>> workers_;  ///< the first keeps house
};

Device::Impl::Impl(DeviceParts parts, const Clock& clock, Random& random, Logger& logger)
    : parts_(std::move(parts)),
      clock_(clock),
      logger_(logger),
      interface_(random),
      closed_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

// The housekeeper last, for the others wake it.
Device::Impl::~Impl() {
  while (!workers_.empty()) workers_.pop_back();
}

Status Device::Impl::start() {
  if (!closed_) return fail(system_error("cannot make an eventfd", errno));
  interface_.set_mtu(static_cast<std::size_t>(parts_.tuns.front()->mtu_bytes()));
  for (const std::unique_ptr<io::Tun>& tun : parts_.tuns) {
    Result<std::unique_ptr<Worker>> worker = Worker::create(
        *tun, interface_, clock_, {.tun_gone = [this] { close(); }, .learned_endpoints = [this] { on_learned(); }},
        workers_.empty() ? nullptr : workers_.front().get());
    if (!worker) return fail(worker.error());
    workers_.push_back(std::move(*worker));
  }
  if (parts_.link) {
    workers_.front()->watch(parts_.link->fd(), [this] { on_link_news(); });
  } else {
    const std::lock_guard lock(mutex_);
    set_up(true);
  }
  for (std::size_t i = 0; i < workers_.size(); ++i) workers_[i]->start("wg-worker-" + std::to_string(i));
  return {};
}

Status Device::Impl::configure(const InterfaceUpdate& update) {
  {
    const std::lock_guard lock(mutex_);
    if (parts_.link) follow_link();  // it may have come up just now, and the worker not have looked yet
    if (Status status = apply(update); !status) return status;
  }
  // Old sockets are gone on return, so that their port is free again.
  for (const auto& worker : workers_) worker->await_sockets();
  return {};
}

Status Device::Impl::apply(const InterfaceUpdate& update) {
  const std::uint16_t port = update.listen_port.value_or(port_);
  const std::uint32_t fwmark = update.fwmark.value_or(fwmark_);
  const bool configured = configured_ || update.listen_port || (update.private_key && !update.private_key->is_zero());
  const bool reopen = update.listen_port && *update.listen_port != port_;

  // What can fail comes first; a link that is down only finds out whether the port is free.
  io::UdpSockets opened;
  if (reopen || (up_ && configured && sockets_.empty())) {
    Result<io::UdpSockets> sockets = open_udp(port, fwmark);
    if (!sockets) return fail(sockets.error());
    opened = std::move(*sockets);
  }
  const bool remark = fwmark != fwmark_ && opened.empty();
  if (remark) {
    if (Status status = mark_sockets(fwmark); !status) return status;
  }
  // Policy routing may choose other sources now (kernel netlink.c: set_port, wg_set_device).
  if (reopen || fwmark != fwmark_) interface_.forget_sources();
  actions_.clear();
  if (Status status = interface_.configure(update, now(), actions_); !status) {
    if (remark) (void)mark_sockets(fwmark_);
    return status;
  }

  configured_ = configured;
  fwmark_ = fwmark;
  port_ = port;
  if (!opened.empty() && up_) use_sockets(std::move(opened));
  send_actions();
  return {};
}

Status Device::Impl::mark_sockets(std::uint32_t fwmark) {
  for (const auto& sockets : sockets_) {
    if (Status status = sockets->set_fwmark(fwmark); !status) return status;
  }
  return {};
}

Result<io::UdpSockets> Device::Impl::open_udp(std::uint16_t port, std::uint32_t fwmark) const {
  return parts_.open_udp(port, fwmark, workers_.size());
}

void Device::Impl::use_sockets(io::UdpSockets sockets) {
  // A free port that was taken stays ours over down and up, as in the kernel (socket.c: wg_socket_reinit).
  if (!sockets.empty()) port_ = sockets.front()->port();
  listening_ = {};
  for (std::size_t i = 0; i < workers_.size(); ++i) workers_[i]->use_sockets(sockets.empty() ? nullptr : sockets[i]);
  sockets_ = std::move(sockets);
}

void Device::Impl::set_up(bool up) {
  if (up == up_) return;
  up_ = up;
  if (!up) {
    use_sockets({});
  } else if (listening_ = open_sockets(); !listening_) {
    logger_.error("cannot listen; the next configuration or link up tries again",
                  {{"interface", interface_name()}, {"error", listening_.error().message}});
  }
  actions_.clear();
  interface_.set_up(up, now(), actions_);
  send_actions();
}

Status Device::Impl::open_sockets() {
  if (!configured_) return {};
  Result<io::UdpSockets> sockets = open_udp(port_, fwmark_);
  if (!sockets) return fail(sockets.error());
  use_sockets(std::move(*sockets));
  return {};
}

// And has the housekeeper look at the deadlines, which may have moved.
void Device::Impl::send_actions() {
  outbox_.add(actions_);
  outbox_.send(sockets_.empty() ? nullptr : sockets_.front().get(), counters_);
  workers_.front()->wake();
}

void Device::Impl::on_link_news() {
  const std::lock_guard lock(mutex_);
  follow_link();
}

void Device::Impl::follow_link() {
  const io::LinkState state = parts_.link->read();
  if (!state.present) return close();
  if (state.mtu_bytes > 0) interface_.set_mtu(static_cast<std::size_t>(state.mtu_bytes));
  set_up(state.up);
}

void Device::Impl::on_learned() {
  if (learned_listener_ && !learned_told_.exchange(true)) learned_listener_();
}

void Device::Impl::close() {
  CHECK(::eventfd_write(closed_.get(), 1) == 0);
}

Status Device::Impl::listening() const {
  const std::lock_guard lock(mutex_);
  return listening_;
}

InterfaceSnapshot Device::Impl::snapshot() const {
  InterfaceSnapshot snapshot = interface_.snapshot();
  const std::lock_guard lock(mutex_);
  snapshot.listen_port = port_;
  snapshot.fwmark = fwmark_;
  return snapshot;
}

CounterValues Device::Impl::counters() const {
  CounterValues values = counters_.values();
  for (const auto& worker : workers_) values += worker->counters();
  values += {.counts = {}, .drops = interface_.quiet_drops()};
  return values;
}

std::vector<LearnedEndpoint> Device::Impl::take_learned_endpoints() {
  learned_told_.store(false);  // before taking: what is learned meanwhile is told again
  return interface_.take_learned_endpoints();
}

void Device::Impl::on_learned_endpoints(std::function<void()> listener) {
  learned_listener_ = std::move(listener);
}

// --- Device ---

std::size_t default_workers() {
  cpu_set_t processors;
  if (::sched_getaffinity(0, sizeof processors, &processors) != 0) return 1;  // more than 1,024 of them
  return static_cast<std::size_t>(std::clamp(CPU_COUNT(&processors) / 2, 1, 8));
}

Result<std::unique_ptr<Device>> Device::open(const DeviceOptions& options, const Clock& clock, Random& random,
                                             Logger& logger) {
  Result<io::TunQueues> tuns =
      io::LinuxTun::open(options.interface_name, options.mtu_bytes, options.workers, options.offloads);
  if (!tuns) return fail(tuns.error());
  return run_on(std::move(*tuns), options.offloads, clock, random, logger);
}

Result<std::unique_ptr<Device>> Device::run_on(io::TunQueues tuns, io::Offloads offloads, const Clock& clock,
                                               Random& random, Logger& logger) {
  Result<io::LinkWatcher> link = io::LinkWatcher::open(tuns.front()->fd());
  if (!link) return fail(link.error());
  const io::Offloads usable = usable_offloads(*tuns.front(), offloads);
  tell_offloads(logger, tuns.front()->name(), offloads, usable);
  const auto open_udp = [usable](std::uint16_t port, std::uint32_t fwmark, std::size_t count) {
    return io::LinuxUdp::open(port, fwmark, count, usable);
  };
  return assemble({std::move(tuns), open_udp, std::move(*link)}, clock, random, logger);
}

Result<std::unique_ptr<Device>> Device::assemble(DeviceParts parts, const Clock& clock, Random& random,
                                                 Logger& logger) {
  auto impl = std::make_unique<Impl>(std::move(parts), clock, random, logger);
  if (Status status = impl->start(); !status) return fail(status.error());
  return std::unique_ptr<Device>(new Device(std::move(impl)));
}

Device::Device(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Device::~Device() = default;

const std::string& Device::interface_name() const {
  return impl_->interface_name();
}
Status Device::configure(const InterfaceUpdate& update) {
  return impl_->configure(update);
}
Status Device::listening() const {
  return impl_->listening();
}
InterfaceSnapshot Device::snapshot() const {
  return impl_->snapshot();
}
std::optional<PeerSnapshot> Device::peer(const PublicKey& key) const {
  return impl_->peer(key);
}
CounterValues Device::counters() const {
  return impl_->counters();
}
CounterValues Device::worker_counters(std::size_t number) const {
  return impl_->worker_counters(number);
}
std::vector<LearnedEndpoint> Device::take_learned_endpoints() {
  return impl_->take_learned_endpoints();
}
void Device::on_learned_endpoints(std::function<void()> listener) {
  impl_->on_learned_endpoints(std::move(listener));
}
int Device::closed_fd() const {
  return impl_->closed_fd();
}

}  // namespace vpn::engine
