// The loop that moves packets: one thread that waits for its queue of the TUN device, its sockets, the next deadline
// and a word from the device, and runs each batch to completion. Data comes before handshakes; an idle worker makes no
// system call.
//
// Workers share nothing but the interface: each has its own queue, sockets, buffers, AEAD engine and counters. One
// keeps house for all: it runs handshakes and timers, and the others wake it when a batch of theirs has brought some
// forward. use_sockets(), await_sockets(), wake() and counters() are safe from any thread. Owned by the device.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "engine/counters.h"
#include "engine/crypto/aead.h"
#include "engine/io/tun.h"
#include "engine/io/udp.h"
#include "engine/outbox.h"
#include "engine/protocol/interface.h"
#include "engine/receive.h"
#include "engine/send.h"

namespace vpn::engine {

class Worker {
 public:
  /// Called on the worker's thread.
  struct Events {
    std::function<void()> tun_gone;           ///< once for each worker
    std::function<void()> learned_endpoints;  ///< after each batch, while there are some to take
  };

  /// All outlive this. `housekeeper`: the worker that keeps house; null: this one.
  static Result<std::unique_ptr<Worker>> create(io::Tun& tun, protocol::Interface& interface, const Clock& clock,
                                                Events events, Worker* housekeeper);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  /// Calls `on_readable` on the worker's thread while `fd` is readable. Before start(), once.
  void watch(int fd, std::function<void()> on_readable);

  /// Once. The thread ends with this object.
  void start(const std::string& thread_name);

  /// Replaces the sockets; null: none. They are in use, and the old ones let go, when await_sockets() returns.
  void use_sockets(std::shared_ptr<io::Udp> sockets);
  /// Not on the worker's own thread, nor under a lock that the functions it calls take.
  void await_sockets();

  /// Looks at Interface::next_deadline() again: something outside the worker may have moved it.
  void wake();

  CounterValues counters() const { return counters_.values(); }

 private:
  /// What an epoll event is of.
  enum class Source : std::uint32_t { kTun, kUdpV4, kUdpV6, kTimer, kWake, kWatched };

  Worker(io::Tun& tun, protocol::Interface& interface, const Clock& clock, Events events, Worker* housekeeper);

  void run();
  void handle(Source source);
  int epoll_timeout_ms() const;
  void call_housekeeper();
  void expect_handshakes();
  void keep_house(protocol::Moment now);
  void process_handshakes(protocol::Moment now);
  void forget_refused_sources(Instant now);
  void read_tun();
  void arm_timer(Instant now);
  void adopt_sockets();
  void poll(int fd, Source source);
  protocol::Moment now() const { return {clock_.now(), clock_.wall_now()}; }

  io::Tun& tun_;
  protocol::Interface& interface_;
  const Clock& clock_;
  Events events_;
  Worker* const housekeeper_;

  UniqueFd epoll_;
  UniqueFd timer_;
  UniqueFd wake_;
  std::function<void()> on_watched_;

  crypto::Aead aead_;
  Counters counters_;
  Sender sender_;
  Receiver receiver_;
  protocol::Actions actions_;
  Outbox outbox_;
  std::shared_ptr<io::Udp> sockets_;
  std::uint64_t source_retries_ = 0;  ///< of counters_, when sources were last forgotten
  Instant forget_from_ = Instant::min();

  // The housekeeper's.
  std::atomic<bool> handshakes_came_ = false;    ///< since the last look at them; the other workers say so too
  std::size_t handshakes_waiting_ = 0;           ///< after that look
  bool handshakes_stalled_ = false;              ///< it got none done
  std::atomic<Instant> armed_ = Instant::max();  ///< what the timer is set to; max: not at all

  std::atomic<bool> stopping_ = false;
  std::mutex mutex_;  ///< guards what follows
  std::condition_variable sockets_adopted_;
  std::shared_ptr<io::Udp> next_sockets_;
  std::uint64_t sockets_asked_ = 0;
  std::uint64_t sockets_done_ = 0;

  std::thread thread_;
};

}  // namespace vpn::engine
