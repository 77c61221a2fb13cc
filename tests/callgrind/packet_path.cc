// What packet_path.py counts: packets through the engine in memory, from one gateway's TUN device to another's, and
// what it takes to say what was counted. Outside of callgrind it does the same and counts nothing.
//
// The kernel's part is played by two classes whose own instructions packet_path.py takes off.
#include <valgrind/callgrind.h>

#include <cstdio>
#include <deque>

#include "base/check.h"
#include "engine/io/test_packets.h"
#include "engine/protocol/test_node.h"
#include "engine/receive.h"
#include "engine/send.h"

namespace vpn::engine {
namespace {

using io::test::Bytes;
using protocol::Moment;
using protocol::TestDatagram;
using protocol::TestNode;

/// Gives the same packets with every read, as many as have room, and takes all that is written.
class KernelTun final : public io::Tun {
 public:
  struct Packet {
    Bytes bytes;
    io::Offload offload;
  };
  explicit KernelTun(std::vector<Packet> packets) : packets_(std::move(packets)) {}

  const std::string& name() const override { return name_; }
  int mtu_bytes() const override { return 1420; }
  int fd() const override { return -1; }
  bool takes_tcp_super_packets() const override { return true; }
  bool takes_udp_super_packets() const override { return true; }
  bool read(io::TunReadBatch& batch) override {
    for (const Packet& packet : packets_) {
      const MutableBytes room = batch.room();
      if (room.empty()) break;
      std::copy(packet.bytes.begin(), packet.bytes.end(), room.begin());
      batch.add(packet.bytes.size(), packet.offload);
    }
    return true;
  }
  io::TunWriteReport write(std::span<const io::TunWrite> packets) override { return {.written = packets.size()}; }

 private:
  std::string name_ = "wg0";
  std::vector<Packet> packets_;
};

/// What is sent is received: each datagram alone, or joined to its neighbours as UDP_GRO does.
class KernelUdp final : public io::Udp {
 public:
  explicit KernelUdp(bool joins) : joins_(joins) {}

  std::uint16_t port() const override { return 51820; }
  int fd(IpFamily) const override { return -1; }
  Status set_fwmark(std::uint32_t) override { return {}; }
  void receive(IpFamily, io::UdpReadBatch& batch) override {
    for (std::size_t i = 0; i < io::UdpReadBatch::kMaxReceives && !waiting_.empty(); ++i) {
      const std::size_t segment_bytes = waiting_.front().size();
      const MutableBytes room = batch.room(i);
      std::size_t used = 0;
      bool more = true;
      while (more && !waiting_.empty() && waiting_.front().size() <= std::min(segment_bytes, room.size() - used)) {
        const Bytes& datagram = waiting_.front();
        std::copy(datagram.begin(), datagram.end(), room.begin() + static_cast<std::ptrdiff_t>(used));
        used += datagram.size();
        more = joins_ && datagram.size() == segment_bytes;
        waiting_.pop_front();
      }
      batch.add({room.first(used), segment_bytes, {*Endpoint::parse("192.0.2.2:1000"), {}, 1}, 0});
    }
  }
  io::UdpSendReport send(std::span<const io::OutgoingDatagram> datagrams) override {
    for (const auto& datagram : datagrams) waiting_.emplace_back(datagram.bytes.begin(), datagram.bytes.end());
    return {.sent = datagrams.size()};
  }

  bool has_waiting() const { return !waiting_.empty(); }

 private:
  bool joins_;
  std::deque<Bytes> waiting_;
};

struct Shape {
  const char* name;
  bool joins;
  std::vector<KernelTun::Packet> packets;  // that wait at every read
};

io::test::PacketSpec from_client(std::uint8_t protocol) {
  return {.source = "10.0.0.2", .destination = "10.0.0.1", .protocol = protocol};
}

/// Datagrams of one flow, `bytes` each with their headers.
Shape datagrams(const char* name, std::size_t bytes) {
  io::test::PacketSpec spec = from_client(io::kProtocolUdp);
  spec.payload_bytes = bytes - io::kIpv4HeaderBytes - io::kUdpHeaderBytes;
  return {name, false, std::vector<KernelTun::Packet>(64, {io::test::make_packet(spec), {}})};
}

/// Two super-packets of a TCP flow, in segments that fill packets of 1420 bytes.
Shape bulk() {
  constexpr std::uint16_t kSegmentBytes = 1368;
  io::test::PacketSpec spec = from_client(io::kProtocolTcp);
  spec.payload_bytes = 46 * kSegmentBytes;
  io::Offload offload;
  const Bytes packet = io::test::make_super_packet(spec, kSegmentBytes, offload);
  return {"bulk", true, {2, {packet, offload}}};
}

/// A client and a gateway with a session.
struct Pair {
  Pair() {
    client.add_peer(gateway, true, now);
    gateway.add_peer(client, false, now);
    client.send(protocol::make_ipv4("10.0.0.2", "10.0.0.1", Bytes(100)), now);
    client.expire(now);
    while (!client.outbox.empty() || !gateway.outbox.empty()) {
      for (const TestDatagram& datagram : std::exchange(client.outbox, {})) gateway.receive(datagram, now);
      for (const TestDatagram& datagram : std::exchange(gateway.outbox, {})) client.receive(datagram, now);
    }
    CHECK(gateway.delivered.size() == 1);
  }

  ManualClock clock;
  Moment now{clock.now(), clock.wall_now()};
  TestNode client{1, "192.0.2.2:1000", "10.0.0.2", now};
  TestNode gateway{2, "192.0.2.1:51820", "10.0.0.1", now};
};

void run(const Shape& shape) {
  constexpr int kWarmUp = 4;
  constexpr int kRounds = 16;
  Pair pair;
  KernelTun tun(shape.packets);
  KernelUdp udp(shape.joins);
  crypto::Aead aead;
  Counters counters;
  Sender sender(tun, pair.client.interface, aead, counters);
  Receiver receiver(tun, pair.gateway.interface, aead, counters);
  const auto pass = [&](int rounds) {
    for (int i = 0; i < rounds; ++i) {
      CHECK(sender.run(&udp, pair.now));
      while (udp.has_waiting()) receiver.run(udp, IpFamily::kV4, pair.now);
    }
  };
  pass(kWarmUp);
  const CounterValues before = counters.values();
  CALLGRIND_ZERO_STATS;
  pass(kRounds);
  CALLGRIND_DUMP_STATS_AT(shape.name);
  const CounterValues after = counters.values();
  CHECK(after.drops == before.drops && after[Counter::kTunMalformed] == 0);
  const std::uint64_t packets = after[Counter::kUdpDatagramsSent] - before[Counter::kUdpDatagramsSent];
  CHECK(packets == after[Counter::kTunPacketsRead] - before[Counter::kTunPacketsRead]);
  CHECK(packets == after[Counter::kUdpDatagramsReceived] - before[Counter::kUdpDatagramsReceived]);
  std::printf("%s\t%llu\t%s\n", shape.name, static_cast<unsigned long long>(packets), aead.name());
}

}  // namespace
}  // namespace vpn::engine

int main() {
  using namespace vpn::engine;
  for (const Shape& shape : {datagrams("64 B", 64), datagrams("1420 B", 1420), bulk()}) run(shape);
}
