#include "engine/io/linux_udp.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <cstring>
#include <map>
#include <numeric>
#include <set>

#include "engine/io/test_kernel_refusals.h"

namespace vpn::engine::io {
namespace {

using Bytes = std::vector<std::uint8_t>;
using protocol::Path;
using test::Refusal;

constexpr int kPatienceMs = 10'000;

std::shared_ptr<Udp> open_free_port(Offloads offloads = {}) {
  auto udp = LinuxUdp::open(0, 0, 1, offloads);
  EXPECT_TRUE(udp) << udp.error().message;
  return udp->front();
}

struct Arrived {
  Bytes bytes;
  Path path;
  std::uint8_t traffic_class = 0;
  std::size_t together = 0;  ///< datagrams of the same receive
};

// The next `count` datagrams, whatever GRO made of them.
std::vector<Arrived> receive(Udp& udp, IpFamily family, std::size_t count) {
  std::vector<Arrived> arrived;
  UdpReadBatch batch;
  while (arrived.size() < count) {
    pollfd readable{udp.fd(family), POLLIN, 0};
    if (::poll(&readable, 1, kPatienceMs) != 1) break;
    batch.clear();
    udp.receive(family, batch);
    for (const ReceivedDatagrams& received : batch.received()) {
      for (MutableBytes rest = received.bytes; !rest.empty();) {
        const std::size_t size = std::min(rest.size(), received.segment_bytes);
        arrived.push_back({{rest.begin(), rest.begin() + static_cast<std::ptrdiff_t>(size)},
                           received.path,
                           received.traffic_class,
                           (received.bytes.size() + received.segment_bytes - 1) / received.segment_bytes});
        rest = rest.subspan(size);
      }
    }
  }
  return arrived;
}

class LinuxUdpOnLoopback : public testing::TestWithParam<const char*> {
 protected:
  IpAddress address_ = *IpAddress::parse(GetParam());
  IpFamily family_ = address_.family();
  std::shared_ptr<Udp> from_ = open_free_port();
  std::shared_ptr<Udp> to_ = open_free_port();
  Path path_{{address_, to_->port()}, {}, 0};

  // Datagrams of these sizes, each filled with its number.
  static std::vector<Bytes> datagrams_of(const std::vector<std::size_t>& sizes) {
    std::vector<Bytes> datagrams;
    for (const std::size_t size : sizes) datagrams.emplace_back(size, static_cast<std::uint8_t>(datagrams.size()));
    return datagrams;
  }
  UdpSendReport send(const std::vector<Bytes>& datagrams, std::uint8_t traffic_class = 0) {
    std::vector<OutgoingDatagram> outgoing;
    for (const Bytes& datagram : datagrams) outgoing.push_back({datagram, &path_, traffic_class});
    return from_->send(outgoing);
  }
  void expect_arrival(const std::vector<Bytes>& datagrams) {
    const auto arrived = receive(*to_, family_, datagrams.size());
    ASSERT_EQ(arrived.size(), datagrams.size());
    for (std::size_t i = 0; i < datagrams.size(); ++i) EXPECT_EQ(arrived[i].bytes, datagrams[i]) << i;
  }
};

INSTANTIATE_TEST_SUITE_P(Families, LinuxUdpOnLoopback, testing::Values("127.0.0.1", "::1"),
                         [](const auto& family) { return family.param[0] == ':' ? "V6" : "V4"; });

TEST_P(LinuxUdpOnLoopback, TellsThePathAndTheTrafficClass) {
  send({{1, 2, 3}}, 0x88);
  const auto arrived = receive(*to_, family_, 1);
  ASSERT_EQ(arrived.size(), 1u);
  EXPECT_EQ(arrived[0].bytes, (Bytes{1, 2, 3}));
  EXPECT_EQ(arrived[0].path.remote.address, address_);
  EXPECT_EQ(arrived[0].path.remote.port, from_->port());
  EXPECT_EQ(arrived[0].path.local, address_);
  EXPECT_NE(arrived[0].path.local_interface, 0u);
  EXPECT_EQ(arrived[0].traffic_class, 0x88);
}

TEST_P(LinuxUdpOnLoopback, SendsNeighboursOfOneSizeInOneMessage) {
  const auto datagrams = datagrams_of({1000, 1000, 1000, 1000, 300});
  const UdpSendReport report = send(datagrams);
  EXPECT_EQ(report.sent, 5u);
  EXPECT_EQ(report.segmented_sends, 1u);
  expect_arrival(datagrams);
}

TEST_P(LinuxUdpOnLoopback, KeepsOrderAndSizesOfAnyMixture) {
  std::vector<std::size_t> sizes;
  for (std::size_t i = 0; i < 300; ++i) sizes.push_back(i % 7 == 0 ? 1 + i : 1400);
  const auto datagrams = datagrams_of(sizes);
  const UdpSendReport report = send(datagrams);
  EXPECT_EQ(report.sent, datagrams.size());
  EXPECT_EQ(report.dropped, 0u);
  expect_arrival(datagrams);
}

TEST_P(LinuxUdpOnLoopback, StaysBelowTheSegmentAndSizeLimits) {
  const auto small = datagrams_of(std::vector<std::size_t>(130, 20));
  EXPECT_EQ(send(small).segmented_sends, 3u);  // 64 each
  expect_arrival(small);
  const auto big = datagrams_of(std::vector<std::size_t>(50, 1452));
  EXPECT_EQ(send(big).segmented_sends, 2u);  // 45 each
  expect_arrival(big);
}

TEST_P(LinuxUdpOnLoopback, CarriesTheLargestDatagramsWhole) {
  const std::size_t largest = family_ == IpFamily::kV4 ? 65507 : 65527;
  const auto datagrams = datagrams_of({100, largest, largest - 1, 100});
  const UdpSendReport report = send(datagrams);
  EXPECT_EQ(report.sent, 4u);
  EXPECT_EQ(report.dropped, 0u);
  expect_arrival(datagrams);
  EXPECT_EQ(send(datagrams_of({largest + 1})).dropped, 1u);
}

TEST_P(LinuxUdpOnLoopback, AnswersFromTheAddressThatWasCalled) {
  send({{1}});
  Path back = receive(*to_, family_, 1).at(0).path;
  const Bytes answer{2};
  const OutgoingDatagram outgoing{answer, &back, 0};
  EXPECT_EQ(to_->send({&outgoing, 1}).sent, 1u);
  const auto arrived = receive(*from_, family_, 1);
  ASSERT_EQ(arrived.size(), 1u);
  EXPECT_EQ(arrived[0].path.remote, path_.remote);
}

TEST_P(LinuxUdpOnLoopback, SendsWithoutASourceThatIsOursNoMore) {
  path_.local = *IpAddress::parse(family_ == IpFamily::kV4 ? "192.0.2.77" : "2001:db8::77");
  const auto datagrams = datagrams_of({500, 500, 500});
  const UdpSendReport report = send(datagrams);
  EXPECT_EQ(report.sent, 3u);
  EXPECT_EQ(report.source_retries, 1u);
  EXPECT_EQ(report.dropped, 0u);
  expect_arrival(datagrams);
}

TEST_P(LinuxUdpOnLoopback, SeparatesPathsAndTrafficClasses) {
  const auto other = open_free_port();
  const Path elsewhere{{address_, other->port()}, {}, 0};
  const Bytes a(100, 1), b(100, 2), c(100, 3);
  const std::vector<OutgoingDatagram> outgoing{{a, &path_, 0}, {b, &elsewhere, 0}, {c, &elsewhere, 1}};
  const UdpSendReport report = from_->send(outgoing);
  EXPECT_EQ(report.sent, 3u);
  EXPECT_EQ(report.segmented_sends, 0u);
  EXPECT_EQ(receive(*to_, family_, 1).at(0).bytes, a);
  const auto arrived = receive(*other, family_, 2);
  ASSERT_EQ(arrived.size(), 2u);
  EXPECT_EQ(arrived[0].bytes, b);
  EXPECT_EQ(arrived[1].bytes, c);
  EXPECT_EQ(arrived[1].traffic_class, 1);
}

TEST_P(LinuxUdpOnLoopback, AllowsFragmentation) {
  int level = 0;
  socklen_t size = sizeof level;
  const bool v4 = family_ == IpFamily::kV4;
  ASSERT_EQ(::getsockopt(from_->fd(family_), v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_MTU_DISCOVER : IPV6_MTU_DISCOVER,
                         &level, &size),
            0);
  EXPECT_EQ(level, v4 ? IP_PMTUDISC_DONT : IPV6_PMTUDISC_DONT);
}

// Errors of a path.
TEST_P(LinuxUdpOnLoopback, SendsOneByOneForAWhileWhereTheKernelRefusedAMessageOfSeveral) {
  const auto datagrams = datagrams_of({1000, 1000, 1000, 1000, 300});
  for (const int error : {EIO, EINVAL, EMSGSIZE}) {
    SCOPED_TRACE(std::strerror(error));
    from_ = open_free_port();
    {
      const Refusal refusal(Refusal::Of::kSegmentedSends, error);
      for (const std::size_t unsegmented : {1u, 0u, 0u}) {
        const UdpSendReport report = send(datagrams);
        EXPECT_EQ(report.unsegmented, unsegmented);
        EXPECT_EQ(report.segmented_sends, 0u);
        EXPECT_EQ(report.sent, 5u);
        EXPECT_EQ(report.dropped, 0u);
        expect_arrival(datagrams);
      }
      EXPECT_EQ(refusal.count(), 1u) << "the kernel is not asked each time";
    }
    std::size_t sends = 2;
    for (; sends < 5000; ++sends) {
      const UdpSendReport report = send(datagrams);
      expect_arrival(datagrams);
      if (report.segmented_sends > 0) break;
    }
    EXPECT_EQ(sends, (RefusedPaths::kMessages + 4) / 5) << "it is asked again";
  }
}

TEST_P(LinuxUdpOnLoopback, AsksAgainAtOnceWhereThereWasNoRoomForAMessageOfSeveral) {
  const auto datagrams = datagrams_of({1000, 1000, 1000, 1000, 300});
  for (const int error : {ENOBUFS, ENOMEM}) {
    SCOPED_TRACE(std::strerror(error));
    const Refusal refusal(Refusal::Of::kSegmentedSends, error);
    for (const std::size_t refused : {1u, 2u}) {
      const UdpSendReport report = send(datagrams);
      EXPECT_EQ(report.unsegmented, 1u);
      EXPECT_EQ(report.sent, 5u);
      EXPECT_EQ(report.dropped, 0u);
      expect_arrival(datagrams);
      EXPECT_EQ(refusal.count(), refused);
    }
  }
}

TEST_P(LinuxUdpOnLoopback, KeepsOrderWhenAMessageInTheMiddleIsRefused) {
  const auto datagrams = datagrams_of({10, 20, 700, 700, 700, 800, 900, 500, 500});
  const Refusal refusal(Refusal::Of::kSegmentedSends, EIO);
  const UdpSendReport report = send(datagrams);
  EXPECT_EQ(report.unsegmented, 2u) << "both were on their way before the first was refused";
  EXPECT_EQ(report.sent, datagrams.size());
  expect_arrival(datagrams);
}

TEST_P(LinuxUdpOnLoopback, KeepsOtherPathsInMessagesOfSeveral) {
  const auto datagrams = datagrams_of({1000, 1000, 1000});
  {
    const Refusal refusal(Refusal::Of::kSegmentedSends, EIO);
    send(datagrams);
    expect_arrival(datagrams);
  }
  EXPECT_EQ(send(datagrams).segmented_sends, 0u);
  expect_arrival(datagrams);
  if (family_ == IpFamily::kV6) return;  // which has one address on loopback
  path_.remote.address = *IpAddress::parse("127.0.0.2");
  EXPECT_EQ(send(datagrams).segmented_sends, 1u);
  expect_arrival(datagrams);
}

TEST_P(LinuxUdpOnLoopback, DoesWithoutOffloadsThatAreOff) {
  const auto datagrams = datagrams_of(std::vector<std::size_t>(64, 1000));
  for (const bool gso : {false, true}) {
    for (const bool gro : {false, true}) {
      from_ = open_free_port({.gso = gso, .gro = gro});
      to_ = open_free_port({.gso = gso, .gro = gro});
      path_.remote.port = to_->port();
      EXPECT_EQ(send(datagrams).segmented_sends, gso ? 1u : 0u);
      const auto arrived = receive(*to_, family_, datagrams.size());
      ASSERT_EQ(arrived.size(), datagrams.size());
      EXPECT_EQ(arrived[0].together > 1, gso && gro) << "loopback joins nothing itself";
      for (std::size_t i = 0; i < arrived.size(); ++i) EXPECT_EQ(arrived[i].bytes, datagrams[i]);
    }
  }
}

TEST(LinuxUdp, FindsTheOffloadsOfThisKernel) {
  EXPECT_EQ(LinuxUdp::available(), Offloads()) << "Linux 5.0 or newer has both";
}

TEST(LinuxUdp, HasOnePortOnBothFamilies) {
  const auto udp = open_free_port();
  for (const IpFamily family : {IpFamily::kV4, IpFamily::kV6}) {
    sockaddr_storage bound{};
    socklen_t size = sizeof bound;
    ASSERT_EQ(::getsockname(udp->fd(family), reinterpret_cast<sockaddr*>(&bound), &size), 0);
    EXPECT_EQ(Endpoint::from_sockaddr(bound).port, udp->port());
  }
}

TEST(LinuxUdp, SaysThatAPortIsTaken) {
  const auto udp = open_free_port();
  const auto second = LinuxUdp::open(udp->port(), 0, 1, {});
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kUnavailable);
}

TEST(LinuxUdp, SharesAPortAmongItsOwnSocketsAlone) {
  for (const char* address : {"127.0.0.1", "::1"}) {
    const auto sharing = LinuxUdp::open(0, 0, 4, {});
    ASSERT_TRUE(sharing) << sharing.error().message;
    const std::uint16_t port = sharing->front()->port();
    for (const std::size_t count : {std::size_t{1}, std::size_t{4}}) EXPECT_FALSE(LinuxUdp::open(port, 0, count, {}));

    // What one sender sends comes to one socket, and 64 senders reach more than one.
    const Path to{{*IpAddress::parse(address), port}, {}, 0};
    std::map<std::uint16_t, Udp*> socket_of;
    std::set<Udp*> used;
    std::vector<std::shared_ptr<Udp>> senders;
    const Bytes datagram(100);
    for (int i = 0; i < 64; ++i) {
      senders.push_back(open_free_port());
      for (int repeat = 0; repeat < 3; ++repeat) ASSERT_EQ(senders.back()->send({{{datagram, &to, 0}}}).sent, 1u);
    }
    std::size_t count = 0;
    while (count < 3 * senders.size()) {
      std::vector<pollfd> readable;
      for (const auto& udp : *sharing) readable.push_back({udp->fd(to.remote.address.family()), POLLIN, 0});
      ASSERT_GT(::poll(readable.data(), readable.size(), kPatienceMs), 0) << count;
      for (std::size_t i = 0; i < readable.size(); ++i) {
        if (readable[i].revents == 0) continue;
        Udp& udp = *(*sharing)[i];
        used.insert(&udp);
        for (const Arrived& arrived : receive(udp, to.remote.address.family(), 1)) {
          ++count;
          EXPECT_EQ(socket_of.emplace(arrived.path.remote.port, &udp).first->second, &udp);
        }
      }
    }
    EXPECT_EQ(socket_of.size(), senders.size());
    EXPECT_GT(used.size(), 1u);
  }
}

}  // namespace
}  // namespace vpn::engine::io
