// A closed loop: a fixed number of calls is under way, the next one leaves when one is answered. So the interface has
// always something to do, and its queue is never so long that it thinks itself under load and limits each source. Every
// caller has a socket of its own, as real ones have: boringtun takes what comes from one port to be of one peer.
#include "ask.h"

#include <sys/epoll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <ctime>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "callers.h"

namespace vpn::bench {

namespace {

using engine::protocol::CookieReply;
using engine::protocol::HandshakeResponse;
using engine::protocol::MessageType;

/// wireguard-go thinks itself under load from 128 waiting handshakes on, the kernel and ours from 512.
constexpr std::uint32_t kCallsUnderWay = 64;
constexpr int kPatienceMs = 1000;
constexpr unsigned kMaxSilences = 3;

Failure failed(const char* what) {
  return fail(system_error(what, errno));
}

/// The callers' sockets, and one descriptor that says which of them have something to read.
class Sockets {
 public:
  static Result<Sockets> open(const Endpoint& called, std::uint32_t count) {
    Sockets result;
    result.epoll_.reset(epoll_create1(EPOLL_CLOEXEC));
    if (!result.epoll_) return failed("epoll_create1");
    sockaddr_storage address{};
    const socklen_t size = called.to_sockaddr(address);
    for (std::uint32_t caller = 0; caller < count; ++caller) {
      UniqueFd socket(::socket(address.ss_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
      if (!socket) return failed("socket");
      if (connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0) return failed("connect");
      epoll_event event{};
      event.events = EPOLLIN;
      event.data.fd = socket.get();
      if (epoll_ctl(result.epoll_.get(), EPOLL_CTL_ADD, socket.get(), &event) != 0) return failed("epoll_ctl");
      result.sockets_.push_back(std::move(socket));
    }
    return result;
  }

  bool send(std::size_t caller, ByteView datagram) {
    return ::send(sockets_[caller].get(), datagram.data(), datagram.size(), 0) >= 0;
  }

  /// Waits, and gives each datagram that has come to `take`; false when none came in time.
  template <typename Take>
  bool receive(int patience_ms, Take take) {
    std::array<epoll_event, kCallsUnderWay> ready;
    const int count = epoll_wait(epoll_.get(), ready.data(), ready.size(), patience_ms);
    for (int i = 0; i < count; ++i) {
      std::array<std::uint8_t, 2048> buffer;
      ssize_t size = 0;
      while ((size = recv(ready[static_cast<std::size_t>(i)].data.fd, buffer.data(), buffer.size(), 0)) >= 0) {
        take(ByteView(buffer).first(static_cast<std::size_t>(size)));
      }
    }
    return count > 0;
  }

 private:
  UniqueFd epoll_;
  std::vector<UniqueFd> sockets_;
};

/// What the process has used of the processors so far, in seconds.
class ProcessorTime {
 public:
  static Result<ProcessorTime> of(pid_t pid) {
    ProcessorTime time;
    if (const int error = clock_getcpuclockid(pid, &time.clock_); error != 0) {
      return fail(system_error("the processor time of process " + std::to_string(pid), error));
    }
    return time;
  }
  double seconds() const {
    timespec used{};
    clock_gettime(clock_, &used);
    return static_cast<double>(used.tv_sec) + static_cast<double>(used.tv_nsec) / 1e9;
  }

 private:
  clockid_t clock_{};
};

class Loop {
 public:
  Loop(Sockets sockets, std::uint32_t callers, std::vector<Call>& calls)
      : sockets_(std::move(sockets)), callers_(callers), calls_(calls) {
    responses_.reserve(calls.size());
  }

  Status run() {
    unsigned silences = 0;
    while (silences < kMaxSilences && (next_ < calls_.size() || under_way_ > 0)) {
      for (; under_way_ < kCallsUnderWay && next_ < calls_.size(); ++next_, ++under_way_) {
        if (!send(next_)) return failed("send");
      }
      if (sockets_.receive(kPatienceMs, [this](ByteView datagram) { take(datagram); })) continue;
      ++silences;
      lost_ += under_way_;
      under_way_ = 0;
    }
    return {};
  }

  const std::vector<HandshakeResponse>& responses() const { return responses_; }
  std::uint32_t cookies() const { return cookies_; }
  std::uint32_t lost() const { return lost_; }

 private:
  bool send(std::size_t number) { return sockets_.send(number % callers_, bytes_of(calls_[number].message)); }

  void take(ByteView datagram) {
    const auto type = engine::protocol::classify(datagram);
    if (type == MessageType::kHandshakeResponse) {
      responses_.push_back(engine::protocol::read<HandshakeResponse>(datagram));
      if (under_way_ > 0) --under_way_;
    } else if (type == MessageType::kCookieReply) {
      call_again(engine::protocol::read<CookieReply>(datagram));
    }
  }

  void call_again(const CookieReply& reply) {
    if (reply.receiver_index >= calls_.size()) return;
    Call& call = calls_[reply.receiver_index];
    const Instant now = SystemClock().now();
    if (!call.cookie.consume(reply, now)) return;
    ++cookies_;
    call.cookie.add_macs(mutable_bytes_of(call.message), now);
    send(reply.receiver_index);
  }

  Sockets sockets_;
  std::uint32_t callers_;
  std::vector<Call>& calls_;
  std::vector<HandshakeResponse> responses_;
  std::size_t next_ = 0;
  std::uint32_t under_way_ = 0;
  std::uint32_t cookies_ = 0;
  std::uint32_t lost_ = 0;
};

}  // namespace

Result<Answers> ask(const Question& question) {
  auto sockets = Sockets::open(question.called, question.callers);
  if (!sockets) return fail(std::move(sockets.error()));
  const auto processor = ProcessorTime::of(question.pid);
  if (!processor) return fail(processor.error());

  const SystemClock clock;
  const Callers callers(question.public_key, question.callers);
  std::vector<Call> calls = callers.call(question.rounds, clock.now(), clock.wall_now());
  Loop loop(std::move(*sockets), question.callers, calls);

  Answers answers;
  const double used_before = processor->seconds();
  const Instant begun = clock.now();
  if (Status done = loop.run(); !done) return fail(std::move(done.error()));
  answers.seconds = std::chrono::duration<double>(clock.now() - begun).count();
  answers.processor_seconds = processor->seconds() - used_before;

  answers.calls = static_cast<std::uint32_t>(calls.size());
  answers.cookies = loop.cookies();
  answers.lost = loop.lost();
  for (const HandshakeResponse& response : loop.responses()) answers.answered += callers.is_answer(calls, response);
  return answers;
}

}  // namespace vpn::bench
