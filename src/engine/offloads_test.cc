// Two devices on the kernel's own TUN and UDP, and what programs send through them, with every combination of offloads
// and with a kernel that begins to refuse them.
//
//   west 10.8.0.1, fd00:8::1  ==== tunnel ====  east 10.8.0.2, fd00:8::2
//        10.9.0.1             ----- veth ------      10.9.0.2
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <optional>
#include <thread>
#include <tuple>

#include "base/random.h"
#include "base/test_namespace.h"
#include "engine/crypto/x25519.h"
#include "engine/device.h"
#include "engine/io/test_kernel_refusals.h"

namespace vpn::engine {
namespace {

using Bytes = std::vector<std::uint8_t>;
using io::Offloads;
using io::test::Refusal;
using std::to_string;

constexpr timeval kPatience{.tv_sec = 30, .tv_usec = 0};
constexpr std::uint16_t kPort = 51820;
/// What WireGuard, UDP and IPv4 add to a packet; 16 more with the padding that a sealed packet may get.
constexpr int kOverheadBytes = 32 + 8 + 20;

/// A namespace with a device in it.
struct Machine {
  Machine(int own_number, Random& random) : number(own_number), key(crypto::generate_private_key(random)) {}

  void start(Offloads offloads, int mtu_bytes, const Clock& clock, Random& random, Logger& logger) {
    const auto visit = network.enter();
    TestNamespace::ip("address add 10.9.0." + to_string(number) + "/24 dev veth");
    TestNamespace::ip("link set veth mtu " + to_string(mtu_bytes + kOverheadBytes) + " up");
    auto opened =
        Device::open({.interface_name = "wg0", .mtu_bytes = mtu_bytes, .offloads = offloads}, clock, random, logger);
    ASSERT_TRUE(opened) << opened.error().message;
    device = std::move(*opened);
    for (const IpFamily family : {IpFamily::kV4, IpFamily::kV6}) {
      const bool v4 = family == IpFamily::kV4;
      TestNamespace::ip("address add " + to_string(address(family)) + (v4 ? "/24" : "/64 nodad") + " dev wg0");
    }
    TestNamespace::ip("link set wg0 up");
  }

  void meet(const Machine& other) const {
    protocol::InterfaceUpdate update;
    update.private_key = key;
    update.listen_port = kPort;
    protocol::PeerUpdate& peer = update.peers.emplace_back();
    peer.public_key = crypto::derive_public_key(other.key);
    peer.endpoint = Endpoint::parse("10.9.0." + to_string(other.number) + ":" + to_string(kPort));
    peer.allowed_ips = {{{other.address(IpFamily::kV4), 32}}, {{other.address(IpFamily::kV6), 128}}};
    const auto visit = network.enter();
    const Status configured = device->configure(update);  // which opens the sockets
    ASSERT_TRUE(configured) << configured.error().message;
  }

  IpAddress address(IpFamily family) const {
    return *IpAddress::parse((family == IpFamily::kV4 ? "10.8.0." : "fd00:8::") + to_string(number));
  }

  /// A socket of this machine, bound to its address in the tunnel.
  UniqueFd socket(IpFamily family, int type) const {
    const auto visit = network.enter();
    UniqueFd fd(::socket(family == IpFamily::kV4 ? AF_INET : AF_INET6, type | SOCK_CLOEXEC, 0));
    sockaddr_storage name{};
    const socklen_t size = Endpoint{address(family)}.to_sockaddr(name);
    EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&name), size), 0) << std::strerror(errno);
    for (const int option : {SO_RCVTIMEO, SO_SNDTIMEO}) {
      EXPECT_EQ(::setsockopt(fd.get(), SOL_SOCKET, option, &kPatience, sizeof kPatience), 0);
    }
    const int buffer_bytes = 4 << 20;
    if (type == SOCK_DGRAM) ::setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUFFORCE, &buffer_bytes, sizeof buffer_bytes);
    return fd;
  }

  int number;
  TestNamespace network;
  PrivateKey key;
  std::unique_ptr<Device> device;
};

void connect(const UniqueFd& fd, const UniqueFd& to) {
  sockaddr_storage name{};
  socklen_t size = sizeof name;
  ASSERT_EQ(::getsockname(to.get(), reinterpret_cast<sockaddr*>(&name), &size), 0);
  ASSERT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), size), 0) << std::strerror(errno);
}

void set_option(const UniqueFd& fd, int level, int name, int value) {
  ASSERT_EQ(::setsockopt(fd.get(), level, name, &value, sizeof value), 0) << std::strerror(errno);
}

/// May change a sender's socket before it is used.
using Prepare = std::function<void(const UniqueFd&)>;

class TunnelTest : public testing::Test {
 protected:
  void start(Offloads offloads, int mtu_bytes) {
    lay_cable(west_.network, "veth", east_.network, "veth");
    for (Machine* machine : {&west_, &east_}) machine->start(offloads, mtu_bytes, clock_, random_, logger_);
    west_.meet(east_);
    east_.meet(west_);
    // What waits for a session is sent by the worker that makes it, perhaps beside one that sends what comes next.
    carry_datagrams(west_, east_, IpFamily::kV4, {Bytes(1)});
    carry_datagrams(east_, west_, IpFamily::kV4, {Bytes(1)});
  }

  Bytes random_bytes(std::size_t size) {
    Bytes bytes(size);
    random_.fill(bytes);
    return bytes;
  }

  /// One stream, which must arrive whole; `halfway` is called when half of it has.
  void carry_stream(const Machine& from, const Machine& to, IpFamily family, std::size_t size,
                    const Prepare& prepare = {}, const std::function<void()>& halfway = {}) {
    const UniqueFd listener = to.socket(family, SOCK_STREAM);
    ASSERT_EQ(::listen(listener.get(), 1), 0);
    const UniqueFd sender = from.socket(family, SOCK_STREAM);
    if (prepare) prepare(sender);

    Bytes received(size);
    std::size_t done = 0;
    std::thread reader([&] {
      const UniqueFd connection(::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
      while (done < size) {
        const ssize_t part = ::recv(connection.get(), &received[done], size - done, 0);
        if (part <= 0) break;
        const bool before = done < size / 2;
        done += static_cast<std::size_t>(part);
        if (halfway && before && done >= size / 2) halfway();
      }
    });
    const Bytes sent = random_bytes(size);
    connect(sender, listener);
    EXPECT_EQ(::send(sender.get(), sent.data(), size, MSG_NOSIGNAL), static_cast<ssize_t>(size))
        << std::strerror(errno);
    reader.join();
    EXPECT_EQ(done, size);
    EXPECT_TRUE(received == sent);
    tcp_info info{};
    socklen_t info_size = sizeof info;
    ASSERT_EQ(::getsockopt(sender.get(), IPPROTO_TCP, TCP_INFO, &info, &info_size), 0);
    has_ecn_ = (info.tcpi_options & TCPI_OPT_ECN) != 0;
  }

  /// Datagrams, which must all arrive, in order and with this traffic class: `segment_bytes` of a payload each, or all
  /// of it.
  void carry_datagrams(const Machine& from, const Machine& to, IpFamily family, const std::vector<Bytes>& payloads,
                       std::size_t segment_bytes = 0, int traffic_class = 0, const Prepare& prepare = {}) {
    const bool v4 = family == IpFamily::kV4;
    const UniqueFd receiver = to.socket(family, SOCK_DGRAM);
    set_option(receiver, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_RECVTOS : IPV6_RECVTCLASS, 1);
    const UniqueFd sender = from.socket(family, SOCK_DGRAM);
    set_option(sender, v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, traffic_class);
    if (segment_bytes > 0) set_option(sender, SOL_UDP, UDP_SEGMENT, static_cast<int>(segment_bytes));
    if (prepare) prepare(sender);
    connect(sender, receiver);
    for (const Bytes& payload : payloads) {
      ASSERT_EQ(::send(sender.get(), payload.data(), payload.size(), 0), static_cast<ssize_t>(payload.size()))
          << std::strerror(errno);
    }
    for (const Bytes& payload : payloads) {
      std::size_t start = 0;
      do {
        const std::size_t size = std::min(payload.size() - start, segment_bytes > 0 ? segment_bytes : payload.size());
        const auto first = payload.begin() + static_cast<std::ptrdiff_t>(start);
        ASSERT_EQ(receive(receiver, traffic_class), Bytes(first, first + static_cast<std::ptrdiff_t>(size)));
        start += size;
      } while (start < payload.size());
    }
  }

  static Bytes receive(const UniqueFd& fd, int traffic_class) {
    Bytes bytes(65536);
    alignas(cmsghdr) std::array<std::uint8_t, 64> control{};
    iovec piece{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const ssize_t size = ::recvmsg(fd.get(), &message, 0);
    EXPECT_GE(size, 0) << std::strerror(errno);
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    EXPECT_TRUE(header != nullptr && *CMSG_DATA(header) == traffic_class);
    bytes.resize(static_cast<std::size_t>(std::max<ssize_t>(size, 0)));
    return bytes;
  }

  std::uint64_t count(Counter counter) const {
    return west_.device->counters()[counter] + east_.device->counters()[counter];
  }
  void expect_no_losses() const {
    for (const Counter counter : {Counter::kTunMalformed, Counter::kTunWritesDropped, Counter::kUdpSendsDropped}) {
      EXPECT_EQ(count(counter), 0u) << to_string(counter);
    }
  }

  SystemClock clock_;
  NullLogger logger_;
  SystemRandom random_;
  Machine west_{1, random_};
  Machine east_{2, random_};
  bool has_ecn_ = false;  ///< it was negotiated for the last stream
};

// --- Every combination ---

struct Combination {
  Offloads offloads;
  int mtu_bytes;
};

std::string name_of(const Combination& combination) {
  std::string name;
  for (const io::OffloadSwitch& offload : io::kOffloadSwitches) {
    if (combination.offloads.*offload.on) name += std::string(offload.name) + "_";
  }
  return (name.empty() ? "none_" : name) + to_string(combination.mtu_bytes);
}
void PrintTo(const Combination& combination, std::ostream* out) {
  *out << name_of(combination);
}

/// All sixteen at the usual MTU; all and none at that of jumbo frames, and at nearly the largest: Linux's TCP does not
/// count the IPv6 extension headers that it sends, and what is 8 bytes above the MTU is padded like a packet below it.
std::vector<Combination> all_combinations() {
  std::vector<Combination> combinations;
  for (unsigned bits = 0; bits < 16; ++bits) {
    Offloads offloads;
    for (unsigned i = 0; i < io::kOffloadSwitches.size(); ++i) offloads.*io::kOffloadSwitches[i].on = bits >> i & 1;
    combinations.push_back({offloads, 1420});
  }
  for (const int mtu_bytes : {8920, 65440}) {
    combinations.push_back({Offloads(), mtu_bytes});
    combinations.push_back({io::kNoOffloads, mtu_bytes});
  }
  return combinations;
}

class EveryCombination : public TunnelTest, public testing::WithParamInterface<Combination> {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(start(offloads_, mtu_)); }

  /// Of UDP datagrams that fit into a packet.
  std::size_t largest_payload(IpFamily family) const {
    return static_cast<std::size_t>(mtu_) - 8 - (family == IpFamily::kV4 ? 20 : 40);
  }

  Offloads offloads_ = GetParam().offloads;
  int mtu_ = GetParam().mtu_bytes;
};

INSTANTIATE_TEST_SUITE_P(Offloads, EveryCombination, testing::ValuesIn(all_combinations()),
                         [](const auto& parameter) { return name_of(parameter.param); });

// An IPv6 destination options header of nothing but padding.
constexpr std::array<std::uint8_t, 8> kDestinationOptions{0, 0, 1, 4, 0, 0, 0, 0};

TEST_P(EveryCombination, CarriesAllThatProgramsSend) {
  constexpr std::size_t kStreamBytes = 2 << 20;
  for (const IpFamily family : {IpFamily::kV4, IpFamily::kV6}) {
    const bool v4 = family == IpFamily::kV4;
    SCOPED_TRACE(v4 ? "IPv4" : "IPv6");
    carry_stream(west_, east_, family, kStreamBytes);
    carry_stream(east_, west_, family, kStreamBytes);
    const Prepare add_options = [v4](const UniqueFd& fd) {
      const std::array<std::uint8_t, 4> nothing{1, 1, 1, 1};  // RFC 791: no operation
      const int done = v4 ? ::setsockopt(fd.get(), IPPROTO_IP, IP_OPTIONS, nothing.data(), nothing.size())
                          : ::setsockopt(fd.get(), IPPROTO_IPV6, IPV6_DSTOPTS, kDestinationOptions.data(),
                                         kDestinationOptions.size());
      ASSERT_EQ(done, 0) << std::strerror(errno);
    };
    carry_stream(west_, east_, family, kStreamBytes, add_options);

    const std::size_t largest = largest_payload(family);
    std::vector<Bytes> mixture;
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, std::size_t{999}, largest - 1, largest}) {
      for (int i = 0; i < 3; ++i) mixture.push_back(random_bytes(size));
    }
    carry_datagrams(west_, east_, family, mixture);
    // In fragments, unless they fit into one packet. One at a time: fragments, which have no ports, may come by another
    // worker than whole packets.
    for (const std::size_t size : {largest + 1, std::size_t{9000}, std::size_t{65507}}) {
      carry_datagrams(west_, east_, family, {random_bytes(size)});
    }
    // Expedited forwarding, and each of the ECN code points.
    const std::vector<Bytes> together{random_bytes(20 * 1000 + 7), random_bytes(64 * 10), random_bytes(5)};
    for (const int ecn : {0, 1, 2, 3}) carry_datagrams(east_, west_, family, together, 1000, 0xb8 | ecn);
    carry_datagrams(west_, east_, family, together, 1000, 0, add_options);
    const std::vector<Bytes> alike(20, random_bytes(1000));
    carry_datagrams(west_, east_, family, alike);
    if (v4) {
      const auto without_checksum = [](const UniqueFd& fd) { set_option(fd, SOL_SOCKET, SO_NO_CHECK, 1); };
      carry_datagrams(west_, east_, family, alike, 0, 0, without_checksum);
    }
  }
  expect_no_losses();
  const auto expect_use = [this](Counter counter, bool used) {
    EXPECT_EQ(count(counter) > 0, used) << to_string(counter);
  };
  // Of the largest segments, two are more than a super-packet holds.
  if (mtu_ < 32768) expect_use(Counter::kTunTcpSuperPacketsRead, offloads_.tso);
  expect_use(Counter::kTunUdpSuperPacketsRead, offloads_.uso);
  expect_use(Counter::kUdpSegmentedSends, offloads_.gso);
  expect_use(Counter::kUdpCoalescedReceives, offloads_.gso && offloads_.gro);
  EXPECT_TRUE(offloads_.tso || count(Counter::kTunTcpSuperPacketsWritten) == 0);
  EXPECT_TRUE(offloads_.uso || count(Counter::kTunUdpSuperPacketsWritten) == 0);
}

TEST_F(TunnelTest, NegotiatesEcnThrough) {
  for (const Machine* machine : {&west_, &east_}) {
    const auto visit = machine->network.enter();
    std::ofstream("/proc/sys/net/ipv4/tcp_ecn") << 1;
  }
  start({}, 1420);
  carry_stream(west_, east_, IpFamily::kV4, 1 << 20);
  EXPECT_TRUE(has_ecn_);
  carry_stream(west_, east_, IpFamily::kV6, 1 << 20);
  EXPECT_TRUE(has_ecn_);
  EXPECT_GT(count(Counter::kTunTcpSuperPacketsRead), 0u);
}

// --- A kernel that takes an offload, refuses it in the middle of a stream, and takes it again ---

class EveryRefusal : public TunnelTest, public testing::WithParamInterface<std::tuple<Refusal::Of, int>> {
 protected:
  void SetUp() override { ASSERT_NO_FATAL_FAILURE(start({}, 1420)); }
};

constexpr auto kMessages = Refusal::Of::kSegmentedSends;
constexpr auto kSuperPackets = Refusal::Of::kSuperPacketWrites;
INSTANTIATE_TEST_SUITE_P(Messages, EveryRefusal,
                         testing::Combine(testing::Values(kMessages),
                                          testing::Values(EIO, EINVAL, EMSGSIZE, ENOBUFS, ENOMEM)),
                         [](const auto& parameter) { return ::strerrorname_np(std::get<int>(parameter.param)); });
INSTANTIATE_TEST_SUITE_P(SuperPackets, EveryRefusal,
                         testing::Combine(testing::Values(kSuperPackets),
                                          testing::Values(EIO, EINVAL, ENOBUFS, ENOMEM, EAGAIN)),
                         [](const auto& parameter) { return ::strerrorname_np(std::get<int>(parameter.param)); });

TEST_P(EveryRefusal, LosesNothing) {
  const Refusal::Of what = std::get<0>(GetParam());
  const int error = std::get<1>(GetParam());
  const std::vector<Bytes> datagrams{random_bytes(20 * 1000 + 7), random_bytes(30 * 1000)};
  const auto carry_both_ways = [&] {
    for (const IpFamily family : {IpFamily::kV4, IpFamily::kV6}) {
      carry_datagrams(west_, east_, family, datagrams, 1000);
      carry_datagrams(east_, west_, family, datagrams, 1000);
    }
  };
  carry_both_ways();
  std::optional<Refusal> refusal;
  carry_stream(west_, east_, IpFamily::kV4, 4 << 20, {}, [&] { refusal.emplace(what, error); });
  ASSERT_TRUE(refusal);
  EXPECT_GT(refusal->count(), 0u);
  carry_both_ways();
  refusal.reset();
  carry_both_ways();

  const bool messages = what == kMessages;
  EXPECT_GT(count(messages ? Counter::kUdpSegmentedSends : Counter::kTunTcpSuperPacketsWritten), 0u);
  EXPECT_GT(count(messages ? Counter::kUdpUnsegmented : Counter::kTunTcpResegmented), 0u);
  EXPECT_GT(count(messages ? Counter::kUdpUnsegmented : Counter::kTunUdpResegmented), 0u);
  expect_no_losses();
}

}  // namespace
}  // namespace vpn::engine
