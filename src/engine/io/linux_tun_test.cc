#include "engine/io/linux_tun.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <functional>
#include <optional>
#include <set>

#include "base/interface_name.h"
#include "base/test_namespace.h"
#include "engine/io/coalesce.h"
#include "engine/io/linux_udp.h"
#include "engine/io/test_kernel_refusals.h"
#include "engine/io/test_packets.h"

namespace vpn::engine::io {
namespace {

using namespace test;

constexpr int kPatienceMs = 10'000;

/// A TUN device wg0 in a namespace of its own: 10.0.0.1/24, up.
class LinuxTunTest : public testing::Test {
 protected:
  void SetUp() override {
    auto tun = LinuxTun::open("wg0", 1420, 1, {});
    ASSERT_TRUE(tun) << tun.error().message;
    tun_ = std::move(tun->front());
    TestNamespace::ip("address add 10.0.0.1/24 dev wg0");
    TestNamespace::ip("link set wg0 up");
    auto udp = LinuxUdp::open(2000, 0, 1, {});
    ASSERT_TRUE(udp) << udp.error().message;
    udp_ = udp->front();
  }

  // The UDP packets that the machine sends to 10.0.0.2, until there are `count`, as segments; others are ignored.
  std::vector<Bytes> read_udp(std::size_t count) {
    std::vector<Bytes> packets;
    TunReadBatch batch(16, 31);
    while (packets.size() < count) {
      pollfd readable{tun_->fd(), POLLIN, 0};
      if (::poll(&readable, 1, kPatienceMs) != 1) break;
      batch.clear();
      EXPECT_TRUE(tun_->read(batch));
      for (const TunPacket& packet : batch.packets()) {
        if (packet.bytes[0] != 0x45 || packet.bytes[9] != kProtocolUdp) continue;
        super_packets_ += packet.offload.segmentation != Segmentation::kNone;
        Bytes bytes(packet.bytes.begin(), packet.bytes.end());
        if (packet.offload.segmentation == Segmentation::kNone && packet.offload.checksum_partial) {
          EXPECT_TRUE(complete_checksum(bytes, packet.offload));
        }
        for (Bytes& segment : expand(bytes, packet.offload)) packets.push_back(std::move(segment));
      }
    }
    return packets;
  }

  // Five datagrams to the machine's port 2000, merged, written, and received by its socket. `misdescribe` may change
  // what the kernel is told of them.
  TunWriteReport write_and_receive(const std::function<void(Offload&)>& misdescribe = nullptr) {
    std::vector<Bytes> packets;
    Coalescer coalescer;
    coalescer.begin(true, true);
    PacketSpec spec{.source = "10.0.0.2", .destination = "10.0.0.1", .protocol = kProtocolUdp};
    for (std::uint8_t i = 0; i < 5; ++i) {
      spec.fill = i;
      packets.push_back(make_packet(spec));
    }
    for (const Bytes& packet : packets) coalescer.add(packet);
    std::vector<TunWrite> writes;
    for (TunWrite write : coalescer.finish()) {
      if (misdescribe) misdescribe(write.offload);
      writes.push_back(write);
    }
    const TunWriteReport report = tun_->write(writes);

    std::vector<Bytes> datagrams;
    UdpReadBatch batch;
    while (datagrams.size() < packets.size()) {
      pollfd readable{udp_->fd(IpFamily::kV4), POLLIN, 0};
      if (::poll(&readable, 1, kPatienceMs) != 1) break;
      batch.clear();
      udp_->receive(IpFamily::kV4, batch);
      for (const ReceivedDatagrams& received : batch.received()) {
        for (MutableBytes rest = received.bytes; !rest.empty(); rest = rest.subspan(received.segment_bytes)) {
          datagrams.emplace_back(rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(received.segment_bytes));
        }
      }
    }
    std::vector<Bytes> payloads;
    for (const Bytes& packet : packets) payloads.emplace_back(packet.begin() + 28, packet.end());
    EXPECT_EQ(datagrams, payloads);
    return report;
  }

  // Twenty datagrams of the machine's to 10.0.0.2, in one message; they are read, whole and in order.
  void send_in_one_message() {
    const protocol::Path path{*Endpoint::parse("10.0.0.2:7"), {}, 0};
    std::vector<Bytes> datagrams;
    std::vector<OutgoingDatagram> outgoing;
    for (std::size_t i = 0; i < 20; ++i) datagrams.emplace_back(i < 19 ? 1000 : 10, static_cast<std::uint8_t>(i));
    for (const Bytes& datagram : datagrams) outgoing.push_back({datagram, &path, 0});
    const UdpSendReport report = udp_->send(outgoing);
    ASSERT_EQ(report.sent, datagrams.size());
    ASSERT_EQ(report.segmented_sends, 1u);
    const auto packets = read_udp(datagrams.size());
    ASSERT_EQ(packets.size(), datagrams.size());
    for (std::size_t i = 0; i < packets.size(); ++i) {
      EXPECT_EQ(Bytes(packets[i].begin() + 28, packets[i].end()), datagrams[i]);
      EXPECT_TRUE(checksums_hold(packets[i]));
    }
  }

  TestNamespace namespace_;
  TestNamespace::Visit visit_ = namespace_.enter();
  std::unique_ptr<Tun> tun_;
  std::shared_ptr<Udp> udp_;
  std::size_t super_packets_ = 0;
};

TEST_F(LinuxTunTest, HasTheMtuAskedFor) {
  EXPECT_EQ(tun_->mtu_bytes(), 1420);
  TestNamespace::ip("link set wg0 mtu 1280");
  EXPECT_EQ(tun_->mtu_bytes(), 1280);
}

TEST_F(LinuxTunTest, SaysThatANameIsTaken) {
  for (const char* name : {"wg0", "lo"}) {
    const auto second = LinuxTun::open(name, 1420, 1, {});
    ASSERT_FALSE(second) << name;
    EXPECT_EQ(second.error().code, ErrorCode::kAlreadyExists);
  }
}

TEST_F(LinuxTunTest, GoesAwayWithItsObject) {
  EXPECT_NE(::if_nametoindex("wg0"), 0u);
  tun_.reset();
  EXPECT_EQ(::if_nametoindex("wg0"), 0u);
}

TEST_F(LinuxTunTest, IsAdoptedByItsDescriptor) {
  const auto adopted = LinuxTun::adopt(UniqueFd(::dup(tun_->fd())), {});
  ASSERT_TRUE(adopted) << adopted.error().message;
  EXPECT_EQ(adopted->front()->name(), "wg0");
  EXPECT_FALSE(LinuxTun::adopt(UniqueFd(::dup(udp_->fd(IpFamily::kV4))), {}));
}

TEST_F(LinuxTunTest, ReadsASegmentedSendAsOneSuperPacket) {
  ASSERT_TRUE(tun_->takes_udp_super_packets()) << "Linux 6.2 or newer has UDP segmentation on TUN devices";
  send_in_one_message();
  EXPECT_EQ(super_packets_, 1u);
}

TEST_F(LinuxTunTest, WritesASuperPacketThatTheMachineReceivesAsDatagrams) {
  const TunWriteReport report = write_and_receive();
  EXPECT_EQ(report.written, 1u);
  EXPECT_EQ(report.super_packets.udp, 1u);
  EXPECT_EQ(report.super_packets.tcp, 0u);
  EXPECT_EQ(report.dropped, 0u);
}

TEST_F(LinuxTunTest, WritesPacketByPacketWhatTheKernelRefuses) {
  // A header of more bytes than there are is refused with the EINVAL of faulty kernels.
  const TunWriteReport report = write_and_receive([](Offload& offload) { offload.header_bytes = UINT16_MAX; });
  EXPECT_EQ(report.resegmented.udp, 1u);
  EXPECT_EQ(report.written, 5u);
  EXPECT_EQ(report.dropped, 0u);
  EXPECT_FALSE(tun_->takes_udp_super_packets()) << "it is not asked again";
  EXPECT_TRUE(tun_->takes_tcp_super_packets());
}

TEST_F(LinuxTunTest, WritesPacketByPacketWhateverTheReasonOfARefusal) {
  for (const int error : {EIO, EINVAL, ENOBUFS, ENOMEM, EAGAIN}) {
    SCOPED_TRACE(std::strerror(error));
    const Refusal refusal(Refusal::Of::kSuperPacketWrites, error);
    const TunWriteReport report = write_and_receive();
    EXPECT_EQ(refusal.count(), 1u);
    EXPECT_EQ(report.super_packets.udp, 0u);
    EXPECT_EQ(report.resegmented.udp, 1u);
    EXPECT_EQ(report.resegmented.tcp, 0u);
    EXPECT_EQ(report.written, 5u);
    EXPECT_EQ(report.dropped, 0u);
  }
}

TEST_F(LinuxTunTest, AsksTheKernelAgainForWhatItOnceDidNotTake) {
  {
    const Refusal refusal(Refusal::Of::kSuperPacketWrites, EINVAL);
    write_and_receive();
  }
  int writes = 0;
  for (; writes < 5000 && !tun_->takes_udp_super_packets(); ++writes) (void)tun_->write({});
  EXPECT_EQ(writes, 1024);
  EXPECT_EQ(write_and_receive().super_packets.udp, 1u);
}

TEST_F(LinuxTunTest, GoesOnWithSuperPacketsThatThereWasNoRoomFor) {
  const Refusal refusal(Refusal::Of::kSuperPacketWrites, ENOBUFS);
  write_and_receive();
  EXPECT_TRUE(tun_->takes_udp_super_packets());
}

// What the machine hands over then, and what may be written.
TEST_F(LinuxTunTest, HasTheOffloadsAskedForAndNoOthers) {
  for (const bool tso : {false, true}) {
    for (const bool uso : {false, true}) {
      const auto again = LinuxTun::adopt(UniqueFd(::dup(tun_->fd())), {.tso = tso, .uso = uso});
      ASSERT_TRUE(again);
      EXPECT_EQ(again->front()->takes_tcp_super_packets(), tso);
      EXPECT_EQ(again->front()->takes_udp_super_packets(), uso);
      super_packets_ = 0;
      send_in_one_message();
      EXPECT_EQ(super_packets_, uso ? 1u : 0u);
    }
  }
}

TEST_F(LinuxTunTest, DropsWhatIsWrittenWhileTheLinkIsDown) {
  TestNamespace::ip("link set wg0 down");
  const Bytes packet = make_packet({});
  const iovec piece{const_cast<std::uint8_t*>(packet.data()), packet.size()};
  const TunWrite write{{.checksum_valid = true}, {&piece, 1}, packet.size()};
  EXPECT_EQ(tun_->write({&write, 1}).dropped, 1u);
}

// The device of these sends is wg0 itself: its MTU bounds a segment, and what is larger leaves in fragments.
TEST_F(LinuxTunTest, LetsUdpSendDatagramByDatagramWhatExceedsTheMtu) {
  TestNamespace::ip("link set wg0 mtu 1280");
  for (const bool source_is_ours : {true, false}) {
    const protocol::Path path{*Endpoint::parse("10.0.0.2:7"),
                              *IpAddress::parse(source_is_ours ? "10.0.0.1" : "192.0.2.77"), 0};
    const Bytes datagram(1400, 1);
    const std::vector<OutgoingDatagram> outgoing(5, {datagram, &path, 0});
    const UdpSendReport report = udp_->send(outgoing);
    EXPECT_EQ(report.unsegmented, source_is_ours ? 1u : 0u) << "and for a while the kernel is not asked again";
    EXPECT_EQ(report.source_retries, source_is_ours ? 0u : 5u);
    EXPECT_EQ(report.sent, 5u);
    EXPECT_EQ(report.dropped, 0u);
    const auto fragments = read_udp(10);
    ASSERT_EQ(fragments.size(), 10u) << "two of each";
    for (const Bytes& fragment : fragments) EXPECT_EQ(fragment[6] & 0x40, 0) << "Don't Fragment is off";
  }
}

/// A TUN device of four queues.
class LinuxTunQueuesTest : public testing::Test {
 protected:
  void SetUp() override {
    auto tuns = LinuxTun::open("wg0", 1420, 4, {});
    ASSERT_TRUE(tuns) << tuns.error().message;
    tuns_ = std::move(*tuns);
    TestNamespace::ip("address add 10.0.0.1/24 dev wg0");
    TestNamespace::ip("link set wg0 up");
    // Each a flow of its own to 10.0.0.2, port 7.
    for (std::size_t i = 0; i < 64; ++i) sockets_.push_back(LinuxUdp::open(0, 0, 1, {})->front());
  }

  // Has the machine send one packet of a flow; the queue it comes to.
  std::optional<std::size_t> queue_of(std::size_t flow) {
    const Bytes payload(10);
    const protocol::Path path{*Endpoint::parse("10.0.0.2:7"), {}, 0};
    if (sockets_[flow]->send({{{payload, &path, 0}}}).sent != 1) return std::nullopt;
    for (;;) {
      std::vector<pollfd> readable;
      for (const auto& tun : tuns_) readable.push_back({tun->fd(), POLLIN, 0});
      if (::poll(readable.data(), readable.size(), kPatienceMs) <= 0) return std::nullopt;
      for (std::size_t i = 0; i < readable.size(); ++i) {
        TunReadBatch batch(16, 31);
        if (readable[i].revents == 0 || !tuns_[i]->read(batch)) continue;
        for (const TunPacket& packet : batch.packets()) {
          const bool udp = packet.bytes[0] == 0x45 && packet.bytes[9] == kProtocolUdp;
          if (udp && load_be16(&packet.bytes[20]) == sockets_[flow]->port()) return i;
        }
      }
    }
  }

  // A packet of the flow's other direction.
  void write(std::size_t flow, std::size_t queue) {
    const Bytes packet = make_packet({.source = "10.0.0.2",
                                      .destination = "10.0.0.1",
                                      .protocol = kProtocolUdp,
                                      .source_port = 7,
                                      .destination_port = sockets_[flow]->port()});
    const iovec piece{const_cast<std::uint8_t*>(packet.data()), packet.size()};
    const TunWrite write{{.checksum_valid = true}, {&piece, 1}, packet.size()};
    EXPECT_EQ(tuns_[queue]->write({&write, 1}).written, 1u);
  }

  TestNamespace namespace_;
  TestNamespace::Visit visit_ = namespace_.enter();
  TunQueues tuns_;
  std::vector<std::shared_ptr<Udp>> sockets_;
};

TEST_F(LinuxTunQueuesTest, SpreadsFlowsAndKeepsEachOnOne) {
  std::set<std::size_t> used;
  for (std::size_t flow = 0; flow < sockets_.size(); ++flow) {
    const auto queue = queue_of(flow);
    ASSERT_TRUE(queue);
    EXPECT_EQ(queue_of(flow), queue);
    used.insert(*queue);
  }
  EXPECT_GT(used.size(), 1u);
}

TEST_F(LinuxTunQueuesTest, AnswersByTheQueueThatWasWrittenTo) {
  for (std::size_t queue = 0; queue < tuns_.size(); ++queue) {
    write(0, queue);
    EXPECT_EQ(queue_of(0), queue);
  }
}

TEST_F(LinuxTunQueuesTest, GoesAwayWithItsLastQueue) {
  tuns_.erase(tuns_.begin(), tuns_.end() - 1);
  EXPECT_NE(::if_nametoindex("wg0"), 0u);
  tuns_.clear();
  EXPECT_EQ(::if_nametoindex("wg0"), 0u);
}

TEST(LinuxTun, TakesTheNamesThatWgQuickTakes) {
  for (const char* name : {"wg0", "a", "a_b=c+d.e-f", "123456789012345"}) EXPECT_TRUE(is_interface_name(name)) << name;
  for (const char* name : {"", ".", "..", "1234567890123456", "a/b", "a b", "wg%d", "a:b"}) {
    EXPECT_FALSE(is_interface_name(name)) << name;
    EXPECT_EQ(LinuxTun::open(name, 1420, 1, {}).error().code, ErrorCode::kInvalidArgument);
  }
}

}  // namespace
}  // namespace vpn::engine::io
