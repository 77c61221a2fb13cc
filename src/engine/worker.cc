#include "engine/worker.h"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/check.h"
#include "base/thread.h"

namespace vpn::engine {
namespace {

// Handshakes between two looks at the data: about half a millisecond of work (Interface::process_handshakes).
constexpr std::size_t kHandshakeBudget = 4;
// Where another thread is in the core's slow path (a configuration of many peers, say), what is due waits this long
// between two looks.
constexpr std::chrono::milliseconds kPause{1};
// Walking all peers to forget their source addresses must not come with every batch.
constexpr std::chrono::seconds kForgetPause{1};
// A timerfd or eventfd that is readable is read, whatever its count.
void drain(int fd) {
  std::uint64_t count = 0;
  [[maybe_unused]] const ssize_t size = ::read(fd, &count, sizeof count);
}

}  // namespace

Worker::Worker(io::Tun& tun, protocol::Interface& interface, const Clock& clock, Events events, Worker* housekeeper)
    : tun_(tun),
      interface_(interface),
      clock_(clock),
      events_(std::move(events)),
      housekeeper_(housekeeper == nullptr ? this : housekeeper),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      timer_(::timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      sender_(tun, interface, aead_, counters_),
      receiver_(tun, interface, aead_, counters_) {}

Result<std::unique_ptr<Worker>> Worker::create(io::Tun& tun, protocol::Interface& interface, const Clock& clock,
                                               Events events, Worker* housekeeper) {
  std::unique_ptr<Worker> worker(new Worker(tun, interface, clock, std::move(events), housekeeper));
  if (!worker->epoll_ || !worker->timer_ || !worker->wake_) {
    return fail(system_error("cannot make the engine's epoll, timer and event", errno));
  }
  worker->poll(tun.fd(), Source::kTun);
  worker->poll(worker->timer_.get(), Source::kTimer);
  worker->poll(worker->wake_.get(), Source::kWake);
  return worker;
}

Worker::~Worker() {
  stopping_.store(true, std::memory_order_release);
  wake();
  if (thread_.joinable()) thread_.join();
}

void Worker::watch(int fd, std::function<void()> on_readable) {
  on_watched_ = std::move(on_readable);
  poll(fd, Source::kWatched);
}

void Worker::start(const std::string& thread_name) {
  thread_ = start_thread(thread_name, [this] { run(); });
}

void Worker::use_sockets(std::shared_ptr<io::Udp> sockets) {
  {
    const std::lock_guard lock(mutex_);
    next_sockets_ = std::move(sockets);
    ++sockets_asked_;
  }
  wake();
}

void Worker::await_sockets() {
  std::unique_lock lock(mutex_);
  sockets_adopted_.wait(lock, [this, asked = sockets_asked_] { return sockets_done_ >= asked; });
}

void Worker::wake() {
  CHECK(::eventfd_write(wake_.get(), 1) == 0);
}

void Worker::run() {
  std::array<epoll_event, 8> ready;
  while (!stopping_.load(std::memory_order_acquire)) {
    const int count = ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), epoll_timeout_ms());
    for (int i = 0; i < count; ++i) handle(static_cast<Source>(ready[static_cast<std::size_t>(i)].data.u32));
    const protocol::Moment now = this->now();
    if (housekeeper_ == this) {
      keep_house(now);
    } else {
      call_housekeeper();
    }
    forget_refused_sources(now.boot);
    if (interface_.has_learned_endpoints()) events_.learned_endpoints();
  }
}

int Worker::epoll_timeout_ms() const {
  if (handshakes_waiting_ == 0) return -1;
  return handshakes_stalled_ ? static_cast<int>(kPause.count()) : 0;
}

void Worker::handle(Source source) {
  switch (source) {
    case Source::kTun:
      return read_tun();
    case Source::kUdpV4:
    case Source::kUdpV6: {
      const IpFamily family = source == Source::kUdpV4 ? IpFamily::kV4 : IpFamily::kV6;
      if (sockets_ != nullptr && receiver_.run(*sockets_, family, now())) expect_handshakes();
      return;
    }
    case Source::kTimer:
      drain(timer_.get());
      armed_.store(Instant::max());
      return;
    case Source::kWake:
      drain(wake_.get());
      return adopt_sockets();
    case Source::kWatched:
      on_watched_();
      // The link may have come up: what is due now must find the sockets, a first handshake above all.
      return adopt_sockets();
  }
}

void Worker::read_tun() {
  if (sender_.run(sockets_.get(), now())) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, tun_.fd(), nullptr);
  events_.tun_gone();
}

// Both sides store what is theirs before they load the other's, all sequentially consistent: either this sees a timer
// set too late, or the housekeeper, who sets it, the new deadline.
void Worker::call_housekeeper() {
  if (interface_.next_deadline() < housekeeper_->armed_.load()) housekeeper_->wake();
}

// A flood wakes the housekeeper once for each of its looks.
void Worker::expect_handshakes() {
  const bool known = housekeeper_->handshakes_came_.exchange(true);
  if (!known && housekeeper_ != this) housekeeper_->wake();
}

void Worker::keep_house(protocol::Moment now) {
  actions_.clear();
  process_handshakes(now);
  if (interface_.next_deadline() <= now.boot) interface_.expire(now, actions_);
  outbox_.add(actions_);
  outbox_.send(sockets_.get(), counters_);
  arm_timer(now.boot);
}

void Worker::process_handshakes(protocol::Moment now) {
  const bool came = handshakes_came_.load() && handshakes_came_.exchange(false);
  if (!came && handshakes_waiting_ == 0) return;
  const std::size_t before = handshakes_waiting_;
  handshakes_waiting_ = interface_.process_handshakes(kHandshakeBudget, now, actions_);
  handshakes_stalled_ = !came && handshakes_waiting_ >= before;
}

// A source address that the kernel refused to send from is gone, and for every peer that used it each message would
// cost a system call more. The one time that a worker waits for the slow path.
void Worker::forget_refused_sources(Instant now) {
  const std::uint64_t retries = counters_.value(Counter::kUdpSourceRetries);
  if (retries == source_retries_ || now < forget_from_) return;
  source_retries_ = retries;
  forget_from_ = now + kForgetPause;
  interface_.forget_sources();
}

// A timer that is set too early costs one idle turn of the loop; setting it anew with every batch would cost a system
// call each. What is due even after expire() waits for another thread, or is of more peers than one turn takes.
void Worker::arm_timer(Instant now) {
  const Instant deadline = std::max(interface_.next_deadline(), now + kPause);
  if (deadline >= armed_.load()) return;
  const auto left = std::max<std::chrono::nanoseconds>(deadline - clock_.now(), std::chrono::nanoseconds(1));
  const auto seconds = std::chrono::floor<std::chrono::seconds>(left);
  itimerspec setting{};
  setting.it_value = {.tv_sec = seconds.count(), .tv_nsec = (left - seconds).count()};
  CHECK(::timerfd_settime(timer_.get(), 0, &setting, nullptr) == 0);
  armed_.store(deadline);
}

void Worker::adopt_sockets() {
  std::unique_lock lock(mutex_);
  if (sockets_done_ == sockets_asked_) return;
  const std::uint64_t asked = sockets_asked_;
  std::shared_ptr<io::Udp> next = std::move(next_sockets_);
  lock.unlock();

  for (const IpFamily family : {IpFamily::kV4, IpFamily::kV6}) {
    if (sockets_ == nullptr || sockets_->fd(family) < 0) continue;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, sockets_->fd(family), nullptr);
  }
  sockets_ = std::move(next);
  if (sockets_ != nullptr) {
    poll(sockets_->fd(IpFamily::kV4), Source::kUdpV4);
    poll(sockets_->fd(IpFamily::kV6), Source::kUdpV6);
  }

  lock.lock();
  sockets_done_ = asked;
  sockets_adopted_.notify_all();
}

// fd may be -1: a family that the machine does not have.
void Worker::poll(int fd, Source source) {
  if (fd < 0) return;
  epoll_event event{.events = EPOLLIN, .data = {.u32 = static_cast<std::uint32_t>(source)}};
  CHECK(::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) == 0);
}

}  // namespace vpn::engine
