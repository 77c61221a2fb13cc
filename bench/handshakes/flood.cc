#include "flood.h"

#include <netinet/in.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "base/unique_fd.h"
#include "engine/protocol/cookie.h"
#include "engine/protocol/messages.h"

namespace vpn::bench {

namespace {

using engine::protocol::HandshakeInitiation;

constexpr std::uint32_t kSources = 0x0a800000;  // 10.128.0.0/9
constexpr std::uint32_t kSourcesMask = 0x007fffff;
/// Made once and sent again and again: to the interface one is as new as the other, for it remembers none.
constexpr std::size_t kMessages = 1024;
constexpr std::uint32_t kTicksPerSecond = 1000;

/// A whole IPv4 packet, as a raw socket takes it; the kernel fills in what is zero here (raw(7)), and UDP over IPv4 may
/// leave out its checksum.
struct Packet {
  iphdr ip{};
  udphdr udp{};
  HandshakeInitiation message;
};
static_assert(sizeof(Packet) == sizeof(iphdr) + sizeof(udphdr) + sizeof(HandshakeInitiation));

std::vector<Packet> make_packets(const Flood& flood, Random& random) {
  engine::protocol::CookieGenerator macs(flood.public_key);
  std::vector<Packet> packets(kMessages);
  for (Packet& packet : packets) {
    packet.ip.version = 4;
    packet.ip.ihl = sizeof(iphdr) / 4;
    packet.ip.ttl = 64;
    packet.ip.protocol = IPPROTO_UDP;
    packet.ip.daddr = htonl(flood.called.address.v4_host_order());
    packet.udp.dest = htons(flood.called.port);
    packet.udp.len = htons(sizeof(udphdr) + sizeof(HandshakeInitiation));
    packet.message.sender_index = random.next_u32();
    random.fill(packet.message.ephemeral);
    random.fill(packet.message.encrypted_static);
    random.fill(packet.message.encrypted_timestamp);
    macs.add_macs(mutable_bytes_of(packet.message), SystemClock().now());
  }
  return packets;
}

void forge_source(Packet& packet, Random& random) {
  packet.ip.saddr = htonl(kSources | (random.next_u32() & kSourcesMask));
  packet.udp.source = htons(static_cast<std::uint16_t>(1024 + random.below(60000)));
}

/// Sends the packets in order, beginning again behind the last.
class Sender {
 public:
  Sender(UniqueFd socket, const Flood& flood) : socket_(std::move(socket)), packets_(make_packets(flood, random_)) {
    to_.sin_family = AF_INET;
    to_.sin_addr.s_addr = packets_.front().ip.daddr;
  }

  Status send(std::uint64_t count) {
    for (; count > 0; --count) {
      Packet& packet = packets_[next_++ % packets_.size()];
      forge_source(packet, random_);
      if (sendto(socket_.get(), &packet, sizeof packet, 0, reinterpret_cast<const sockaddr*>(&to_), sizeof to_) < 0) {
        return fail(system_error("send", errno));
      }
    }
    return {};
  }

 private:
  UniqueFd socket_;
  SeededRandom random_{1};
  std::vector<Packet> packets_;
  sockaddr_in to_{};
  std::size_t next_ = 0;
};

/// Sleeps until `tick` thousandths of a second after `begun`.
void sleep_until(const timespec& begun, std::uint64_t tick) {
  const auto nanoseconds = static_cast<std::uint64_t>(begun.tv_nsec) + tick * (1'000'000'000 / kTicksPerSecond);
  timespec then{};
  then.tv_sec = begun.tv_sec + static_cast<time_t>(nanoseconds / 1'000'000'000);
  then.tv_nsec = static_cast<long>(nanoseconds % 1'000'000'000);
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &then, nullptr);
}

}  // namespace

Result<std::uint64_t> flood(const Flood& flood) {
  UniqueFd socket(::socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_RAW));
  if (!socket) return fail(system_error("a raw socket", errno));
  Sender sender(std::move(socket), flood);
  timespec begun{};
  clock_gettime(CLOCK_MONOTONIC, &begun);
  std::uint64_t sent = 0;
  const std::uint64_t ticks = std::uint64_t{flood.seconds} * kTicksPerSecond;
  for (std::uint64_t tick = 1; tick <= ticks; ++tick) {
    sleep_until(begun, tick);
    const std::uint64_t due = tick * flood.per_second / kTicksPerSecond;
    if (Status done = sender.send(due - sent); !done) return fail(std::move(done.error()));
    sent = due;
  }
  return sent;
}

}  // namespace vpn::bench
