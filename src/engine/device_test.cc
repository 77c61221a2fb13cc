#include "engine/device.h"

#include <gtest/gtest.h>
#include <poll.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "engine/io/test_odd_packets.h"
#include "engine/test_machine.h"

namespace vpn::engine {
namespace {

using io::test::Bytes;
using io::test::make_packet;
using io::test::PacketSpec;
using protocol::InterfaceUpdate;
using protocol::PeerUpdate;
using namespace std::chrono_literals;

/// Sockets that tell which source address each datagram was to leave by, and may refuse it as the kernel refuses one
/// that is gone.
class WatchedUdp final : public io::Udp {
 public:
  struct Watch {
    std::atomic<bool> refuse = false;
    std::atomic<bool> last_had_source = false;
  };
  WatchedUdp(std::shared_ptr<io::Udp> sockets, Watch& watch) : sockets_(std::move(sockets)), watch_(watch) {}
  static io::UdpOpener opener(io::UdpOpener inner, Watch& watch) {
    return [inner = std::move(inner), &watch](std::uint16_t port, std::uint32_t fwmark, std::size_t count) {
      auto opened = inner(port, fwmark, count);
      if (opened) {
        for (auto& sockets : *opened) sockets = std::make_shared<WatchedUdp>(std::move(sockets), watch);
      }
      return opened;
    };
  }

  std::uint16_t port() const override { return sockets_->port(); }
  int fd(IpFamily family) const override { return sockets_->fd(family); }
  Status set_fwmark(std::uint32_t fwmark) override { return sockets_->set_fwmark(fwmark); }
  void receive(IpFamily family, io::UdpReadBatch& batch) override { sockets_->receive(family, batch); }
  io::UdpSendReport send(std::span<const io::OutgoingDatagram> datagrams) override {
    watch_.last_had_source = static_cast<bool>(datagrams.back().path->local);
    const bool refused = watch_.refuse && watch_.last_had_source;
    io::UdpSendReport report = sockets_->send(datagrams);
    report.source_retries = refused ? 1 : 0;
    return report;
  }

 private:
  std::shared_ptr<io::Udp> sockets_;
  Watch& watch_;
};

/// Two machines of one or several workers that know each other: 10.0.0.1 calls 10.0.0.2, which listens on port 51820 of
/// 192.0.2.2.
class DeviceTest : public testing::TestWithParam<std::size_t> {
 protected:
  DeviceTest() {
    configure_server();
    InterfaceUpdate of_client = client_.own_key();
    of_client.peers = {server_.as_peer("10.0.0.2/32")};
    of_client.peers[0].allowed_ips.push_back({*IpPrefix::parse("fd00::2/128")});
    of_client.peers[0].endpoint = *Endpoint::parse("192.0.2.2:51820");
    EXPECT_TRUE(client_.device->configure(of_client));
  }

  void configure_server() {
    InterfaceUpdate update = server_.own_key();
    update.listen_port = 51820;
    update.peers = {client_.as_peer("10.0.0.1/32")};
    update.peers[0].allowed_ips.push_back({*IpPrefix::parse("fd00::1/128")});
    EXPECT_TRUE(server_.device->configure(update));
  }

  // So many packets, in as many writes as they take.
  static std::vector<Bytes> next_written(const Machine& machine, std::size_t count) {
    std::vector<Bytes> written;
    while (written.size() < count) {
      const auto packets = machine.next_written();
      if (packets.empty()) break;
      written.insert(written.end(), packets.begin(), packets.end());
    }
    return written;
  }

  // The client's machine sends a super-packet; its segments as they arrived, which are those that it stands for.
  std::vector<Bytes> carry_super_packet(const PacketSpec& spec) {
    io::Offload offload;
    const Bytes super_packet = io::test::make_super_packet(spec, 1300, offload);
    client_.tun->inject({super_packet, offload});
    const std::vector<Bytes> sent = io::test::expand(super_packet, offload);
    EXPECT_EQ(next_written(server_, sent.size()), sent);
    return sent;
  }

  SystemRandom random_;
  io::MemoryNetwork network_;
  Machine client_{network_, "192.0.2.1", random_, GetParam()};
  Machine server_{network_, "192.0.2.2", random_, GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Workers, DeviceTest, testing::Values(1, 4), testing::PrintToStringParamName());

const PacketSpec kToServer{.source = "10.0.0.1", .destination = "10.0.0.2", .payload_bytes = 1000};
const PacketSpec kToClient{.source = "10.0.0.2", .destination = "10.0.0.1", .payload_bytes = 1000};

TEST_P(DeviceTest, CarriesPacketsBothWays) {
  client_.tun->inject({make_packet(kToServer), {}});
  EXPECT_EQ(server_.next_written(), std::vector<Bytes>{make_packet(kToServer)});
  server_.tun->inject({make_packet(kToClient), {}});
  EXPECT_EQ(client_.next_written(), std::vector<Bytes>{make_packet(kToClient)});
}

TEST_P(DeviceTest, CarriesASuperPacketAsItsSegments) {
  PacketSpec spec = kToServer;
  spec.payload_bytes = 60'000;
  const std::vector<Bytes> sent = carry_super_packet(spec);
  EXPECT_EQ(client_.device->counters()[Counter::kTunTcpSuperPacketsRead], 1u);
  EXPECT_EQ(client_.device->counters()[Counter::kTunPacketsRead], sent.size());
}

TEST_P(DeviceTest, CarriesOddPacketsByteForByte) {
  for (const io::test::OddFlow& flow : io::test::odd_flows()) {
    SCOPED_TRACE(flow.name);
    const std::vector<Bytes> packets = flow.packets(4);
    for (const Bytes& packet : packets) client_.tun->inject({packet, {}});
    ASSERT_EQ(next_written(server_, packets.size()), packets);
    if (flow.change) continue;  // the kernel makes no super-packet of it
    PacketSpec spec = flow.spec;
    spec.payload_bytes = 20'000;
    for (const Bytes& segment : carry_super_packet(spec)) EXPECT_TRUE(io::test::checksums_hold(segment));
  }
}

TEST_P(DeviceTest, CompletesAPartialChecksum) {
  io::Offload offload;
  const Bytes packet = io::test::make_super_packet(kToServer, 1000, offload);
  offload.segmentation = io::Segmentation::kNone;
  client_.tun->inject({packet, offload});
  EXPECT_EQ(server_.next_written(), std::vector<Bytes>{make_packet(kToServer)});
}

TEST_P(DeviceTest, CountsAndDropsMetadataThatContradictsThePacket) {
  client_.tun->inject({make_packet(kToServer), {.segmentation = io::Segmentation::kUdp, .segment_bytes = 1}});
  client_.tun->inject({make_packet(kToServer), {.checksum_partial = true, .checksum_start = 5000}});
  client_.tun->inject({make_packet(kToServer), {}});
  EXPECT_EQ(server_.next_written(), std::vector<Bytes>{make_packet(kToServer)});
  EXPECT_EQ(client_.device->counters()[Counter::kTunMalformed], 2u);
}

TEST_P(DeviceTest, TellsTheSenderThatNobodyHasTheDestination) {
  PacketSpec spec = kToServer;
  spec.destination = "10.0.0.99";
  client_.tun->inject({make_packet(spec), {}});
  const auto answer = client_.next_written();
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0][9], 1) << "ICMP";
  EXPECT_EQ(answer[0][20], 3) << "destination unreachable";
  EXPECT_EQ(client_.device->counters()[protocol::DropReason::kNoPeer], 1u);
  EXPECT_EQ(client_.device->counters()[Counter::kIcmpSent], 1u);
}

TEST_P(DeviceTest, TellsTheSenderThatThePeersAddressIsUnknown) {
  server_.tun->inject({make_packet(kToClient), {}});
  const auto answer = server_.next_written();
  ASSERT_EQ(answer.size(), 1u);
  EXPECT_EQ(answer[0][20], 3);
  EXPECT_EQ(server_.device->counters()[protocol::DropReason::kNoEndpoint], 1u);
}

// The client would notice only after 15 s; the server calls it as soon as it sees a packet of its earlier life.
TEST_P(DeviceTest, GoesOnSoonAfterARestart) {
  client_.tun->inject({make_packet(kToServer), {}});
  ASSERT_FALSE(server_.next_written().empty());
  server_.start();
  configure_server();
  const Instant begun = client_.clock.now();
  std::vector<Bytes> arrived;
  while (arrived.empty() && client_.clock.now() - begun < 5s) {
    client_.tun->inject({make_packet(kToServer), {}});
    arrived = server_.next_written(50ms);
  }
  EXPECT_EQ(arrived, std::vector<Bytes>{make_packet(kToServer)});
}

TEST_P(DeviceTest, TellsOnceOfEndpointsThatWereLearned) {
  std::mutex mutex;
  std::condition_variable told;
  int calls = 0;
  Machine other(network_, "192.0.2.3", random_, GetParam());
  other.device->on_learned_endpoints([&] {
    const std::lock_guard lock(mutex);
    ++calls;
    told.notify_all();
  });
  InterfaceUpdate update = other.own_key();
  update.listen_port = 1;
  update.peers = {client_.as_peer("10.0.0.1/32")};
  ASSERT_TRUE(other.device->configure(update));
  InterfaceUpdate move;
  move.peers = {other.as_peer("10.0.0.3/32")};
  move.peers[0].endpoint = *Endpoint::parse("192.0.2.3:1");
  ASSERT_TRUE(client_.device->configure(move));
  PacketSpec spec = kToServer;
  spec.destination = "10.0.0.3";
  for (int i = 0; i < 3; ++i) {
    client_.tun->inject({make_packet(spec), {}});
    ASSERT_FALSE(other.next_written().empty());
  }
  std::unique_lock lock(mutex);
  ASSERT_TRUE(told.wait_for(lock, kPatience, [&] { return calls > 0; }));
  EXPECT_EQ(calls, 1) << "the listener has not taken yet";
  lock.unlock();
  const auto learned = other.device->take_learned_endpoints();
  ASSERT_EQ(learned.size(), 1u);
  EXPECT_EQ(learned[0].public_key, client_.public_key);
  EXPECT_EQ(to_string(learned[0].endpoint.address), "192.0.2.1");
}

TEST_P(DeviceTest, KeepsEverythingWhenThePortIsTaken) {
  auto taken = network_.opener(*IpAddress::parse("192.0.2.1"))(777, 0, 1);
  ASSERT_TRUE(taken);
  InterfaceUpdate update;
  update.listen_port = 777;
  update.replace_peers = true;
  const Status status = client_.device->configure(update);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(client_.device->snapshot().peers.size(), 1u);
  client_.tun->inject({make_packet(kToServer), {}});
  EXPECT_EQ(server_.next_written(), std::vector<Bytes>{make_packet(kToServer)});
}

/// The server's sockets are watched, and the client has called it.
class DeviceSourceTest : public DeviceTest {
 protected:
  DeviceSourceTest() {
    server_.opener = WatchedUdp::opener(server_.opener, watch_);
    server_.start();
    configure_server();
    client_.tun->inject({make_packet(kToServer), {}});
    EXPECT_FALSE(server_.next_written().empty());
  }
  ~DeviceSourceTest() override { server_.device.reset(); }  // before the watch

  // Whether the server's next datagram to the client is to leave by the address that the client called.
  bool next_has_source() {
    server_.tun->inject({make_packet(kToClient), {}});
    EXPECT_FALSE(client_.next_written().empty());
    return watch_.last_had_source;
  }

  WatchedUdp::Watch watch_;
};

INSTANTIATE_TEST_SUITE_P(Workers, DeviceSourceTest, testing::Values(1, 4), testing::PrintToStringParamName());

TEST_P(DeviceSourceTest, AnswersFromTheAddressThatWasCalledUntilItIsRefused) {
  EXPECT_TRUE(next_has_source());
  EXPECT_TRUE(next_has_source());
  watch_.refuse = true;
  EXPECT_TRUE(next_has_source());
  EXPECT_FALSE(next_has_source());
  EXPECT_EQ(server_.device->counters()[Counter::kUdpSourceRetries], 1u);
}

TEST_P(DeviceSourceTest, ForgetsItWithANewMark) {
  EXPECT_TRUE(next_has_source());
  InterfaceUpdate update;
  update.fwmark = 7;
  ASSERT_TRUE(server_.device->configure(update));
  EXPECT_FALSE(next_has_source());
}

TEST_P(DeviceSourceTest, ForgetsItWithANewPort) {
  EXPECT_TRUE(next_has_source());
  InterfaceUpdate update;
  update.listen_port = 51821;
  ASSERT_TRUE(server_.device->configure(update));
  EXPECT_FALSE(next_has_source());
}

TEST_P(DeviceTest, GivesAPortBackAtOnce) {
  for (int i = 0; i < 50; ++i) {
    InterfaceUpdate update;
    update.listen_port = static_cast<std::uint16_t>(1000 + i % 2);
    const Status status = client_.device->configure(update);
    ASSERT_TRUE(status) << status.error().message;
    EXPECT_EQ(client_.device->snapshot().listen_port, *update.listen_port);
  }
}

TEST_P(DeviceTest, ShowsTheFreePortItTook) {
  EXPECT_NE(client_.device->snapshot().listen_port, 0);
  EXPECT_EQ(server_.device->snapshot().listen_port, 51820);
  EXPECT_EQ(server_.device->snapshot().public_key, server_.public_key);
}

// The session stands before the client's port begins to change: an answer to an old port is lost, as it should be.
TEST_P(DeviceTest, LosesNoPacketToConfigurationUnderTraffic) {
  client_.tun->inject({make_packet(kToServer), {}});
  ASSERT_EQ(server_.next_written(), std::vector<Bytes>{make_packet(kToServer)});

  std::atomic<bool> done = false;
  std::vector<std::thread> configurers;
  for (int number = 0; number < 3; ++number) {
    configurers.emplace_back([this, number, &done] {
      PublicKey key;
      key.bytes[0] = static_cast<std::uint8_t>(number + 1);
      for (int i = 0; !done.load(); ++i) {
        InterfaceUpdate update;
        update.peers = {{.public_key = key, .remove = i % 2 == 1}};
        if (number == 0) update.listen_port = static_cast<std::uint16_t>(1000 + i % 16);
        EXPECT_TRUE(client_.device->configure(update));
        (void)client_.device->snapshot();
        (void)client_.device->counters();
      }
    });
  }
  for (int i = 0; i < 200; ++i) {
    client_.tun->inject({make_packet(kToServer), {}});
    EXPECT_EQ(server_.next_written(), std::vector<Bytes>{make_packet(kToServer)}) << i;
    if (HasFailure()) break;
  }
  done = true;
  for (std::thread& thread : configurers) thread.join();
}

}  // namespace
}  // namespace vpn::engine
