// Who reaches whom, packet by packet. The gateway is a namespace whose two links are TUN devices: what is written into
// them came from a client or from the site, and a foreign table counts what our rules let pass, exactly.
//
//     client .2, .3 -> wg0  192.168.2.1, fd00:2::1   [gateway]   10.0.0.1, fd00:10::1  uplink <- site
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/ioctl.h>

#include <atomic>
#include <fstream>
#include <thread>
#include <tuple>
#include <vector>

#include "base/test_namespace.h"
#include "host/linux_host.h"
#include "host/nftables.h"

namespace vpn::host {
namespace {

constexpr const char* kClient = "192.168.2.2";
constexpr const char* kNeighbour = "192.168.2.3";
constexpr const char* kGateway = "192.168.2.1";
constexpr const char* kClient6 = "fd00:2::2";
constexpr const char* kNeighbour6 = "fd00:2::3";
constexpr const char* kGateway6 = "fd00:2::1";
constexpr std::uint16_t kPort = 4000;
constexpr int kReloads = 1000;

/// A link whose other end is this test. It lives as long as this does.
class Link {
 public:
  explicit Link(const std::string& name) : fd_(open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK)) {
    ifreq request{};
    name.copy(request.ifr_name, IFNAMSIZ - 1);
    request.ifr_flags = IFF_TUN | IFF_NO_PI;
    CHECK(ioctl(fd_.get(), TUNSETIFF, &request) == 0);
  }

  /// A packet arrives on the link.
  void deliver(const std::vector<std::uint8_t>& packet) const {
    CHECK(write(fd_.get(), packet.data(), packet.size()) == static_cast<ssize_t>(packet.size()));
  }

 private:
  UniqueFd fd_;
};

std::uint16_t checksum(ByteView bytes) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); i += 2) sum += static_cast<std::uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

/// An IP packet around a payload of even length.
std::vector<std::uint8_t> ip_packet(const std::string& from, const std::string& to, std::uint8_t protocol,
                                    const std::vector<std::uint8_t>& payload) {
  const IpAddress source = *IpAddress::parse(from), destination = *IpAddress::parse(to);
  std::vector<std::uint8_t> packet;
  if (source.is_v4()) {
    packet = {0x45, 0, 0, static_cast<std::uint8_t>(20 + payload.size()), 0, 0, 0, 0, 64, protocol, 0, 0};
  } else {
    packet = {0x60, 0, 0, 0, 0, static_cast<std::uint8_t>(payload.size()), protocol, 64};
  }
  for (const IpAddress& address : {source, destination}) {
    packet.insert(packet.end(), address.bytes().begin(), address.bytes().end());
  }
  if (source.is_v4()) store_be16(&packet[10], checksum(packet));
  packet.insert(packet.end(), payload.begin(), payload.end());
  return packet;
}

// Without a checksum, as UDP may be.
std::vector<std::uint8_t> udp(const std::string& from, const std::string& to, std::uint16_t source_port = kPort,
                              std::uint16_t destination_port = kPort) {
  std::vector<std::uint8_t> payload(10);
  store_be16(payload.data(), source_port);
  store_be16(&payload[2], destination_port);
  payload[5] = 10;
  return ip_packet(from, to, IPPROTO_UDP, payload);
}

std::vector<std::uint8_t> tcp_syn(const std::string& from, const std::string& to, std::uint16_t destination_port) {
  std::vector<std::uint8_t> payload(20);
  store_be16(payload.data(), kPort);
  store_be16(&payload[2], destination_port);
  payload[12] = 5 << 4;  // the header's length in words
  payload[13] = 2;       // SYN
  return ip_packet(from, to, IPPROTO_TCP, payload);
}

std::vector<std::uint8_t> ping(const std::string& from, const std::string& to) {
  std::vector<std::uint8_t> payload = {8, 0, 0, 0, 0, 1, 0, 1};
  store_be16(&payload[2], checksum(payload));
  return ip_packet(from, to, IPPROTO_ICMP, payload);
}

// Its checksum is over addresses, length and protocol, too (RFC 8200 section 8.1).
std::vector<std::uint8_t> ping6(const std::string& from, const std::string& to) {
  std::vector<std::uint8_t> payload = {128, 0, 0, 0, 0, 1, 0, 1};
  std::vector<std::uint8_t> summed = {0, 0, 0, static_cast<std::uint8_t>(payload.size()), 0, 0, 0, IPPROTO_ICMPV6};
  for (const std::string& address : {from, to}) {
    const IpAddress parsed = *IpAddress::parse(address);
    summed.insert(summed.end(), parsed.bytes().begin(), parsed.bytes().end());
  }
  summed.insert(summed.end(), payload.begin(), payload.end());
  store_be16(&payload[2], checksum(summed));
  return ip_packet(from, to, IPPROTO_ICMPV6, payload);
}

class Access : public ::testing::Test {
 protected:
  Access() {
    for (const auto& [link, v4, v6] :
         {std::tuple{"wg0", "192.168.2.1/24", "fd00:2::1/64"}, std::tuple{"uplink", "10.0.0.1/24", "fd00:10::1/64"}}) {
      TestNamespace::ip(std::string("link set up dev ") + link);
      TestNamespace::ip(std::string("address add dev ") + link + " " + v4);
      TestNamespace::ip(std::string("address add ") + v6 + " dev " + link + " nodad");
    }
    TestNamespace::ip("route add default dev uplink");
    for (const char* setting : {"ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv4/conf/wg0/route_localnet"}) {
      std::ofstream(std::string("/proc/sys/net/") + setting) << 1;
    }
    for (const char* link : {"all", "wg0", "uplink"}) {
      std::ofstream(std::string("/proc/sys/net/ipv4/conf/") + link + "/rp_filter") << 0;
    }
    // At the hooks' ends: what got so far passed the gateway, or reached it.
    nft(R"(table inet witness {
      counter passed {}
      counter permitted {}
      counter arrived {}
      chain forward {
        type filter hook forward priority 300;
        ip saddr 192.168.2.2 ip daddr 10.9.9.9 counter name permitted return
        counter name passed
      }
      chain input {
        type filter hook input priority 300;
        iifname "wg0" counter name arrived
      }
    })");
  }

  void allow(const std::string& prefixes) {
    config_.allowed_ips = prefixes;
    const Status status = host_.apply_rules(config_);
    ASSERT_TRUE(status) << status.error().message;
  }

  static std::string nft(const std::string& commands) {
    const auto output = run_nftables(commands + "\n");
    CHECK(output);
    return *output;
  }

  static long count(const std::string& counter) {
    const std::string text = nft("list counter inet witness " + counter);
    return std::stol(text.substr(text.find("packets ") + 8));
  }

  static bool counted(const std::string& counter, const Link& link, const std::vector<std::uint8_t>& packet) {
    const long before = count(counter);
    link.deliver(packet);
    return count(counter) > before;
  }

  bool passes(const std::vector<std::uint8_t>& packet) { return counted("passed", wg0_, packet); }
  bool passes_from_site(const std::vector<std::uint8_t>& packet) { return counted("passed", uplink_, packet); }
  bool reaches_gateway(const std::vector<std::uint8_t>& packet) { return counted("arrived", wg0_, packet); }

  TestNamespace namespace_;
  TestNamespace::Visit visit_ = namespace_.enter();
  Link wg0_{"wg0"}, uplink_{"uplink"};
  LinuxHost host_;
  RulesConfig config_{.interface_name = "wg0",
                      .addresses = {*IpPrefix::parse("192.168.2.1/24"), *IpPrefix::parse("fd00:2::1/64")},
                      .allowed_ips = {}};
};

TEST_F(Access, IsToWhatIsAllowedAndNothingElse) {
  allow("10.1.0.0/16,10.2.2.2,fd00:10::/65");
  for (const char* inside : {"10.1.0.0", "10.1.255.255", "10.2.2.2"})
    EXPECT_TRUE(passes(udp(kClient, inside))) << inside;
  for (const char* outside : {"10.0.255.255", "10.2.0.0", "10.2.2.1", "10.2.2.3", "192.0.2.1", kNeighbour}) {
    EXPECT_FALSE(passes(udp(kClient, outside))) << outside;
  }
  EXPECT_TRUE(passes(udp(kClient6, "fd00:10::2")));
  EXPECT_FALSE(passes(udp(kClient6, "fd00:10::8000:0:0:2")));
  EXPECT_FALSE(passes(udp(kClient6, kNeighbour6)));
}

TEST_F(Access, ToOtherClientsIsByTheirAddressesToo) {
  allow("192.168.2.0/24");
  EXPECT_TRUE(passes(udp(kClient, kNeighbour)));
  EXPECT_FALSE(passes(udp(kClient, "10.0.0.2")));
  allow("192.168.2.3");
  EXPECT_TRUE(passes(udp(kClient, kNeighbour)));
  EXPECT_FALSE(passes(udp(kClient, "192.168.2.4")));
  allow("fd00:2::/64");
  EXPECT_TRUE(passes(udp(kClient6, kNeighbour6)));
  EXPECT_FALSE(passes(udp(kClient6, "fd00:10::2")));
  allow(kNeighbour6);
  EXPECT_TRUE(passes(udp(kClient6, kNeighbour6)));
  EXPECT_FALSE(passes(udp(kClient6, "fd00:2::4")));
}

TEST_F(Access, IsToEverythingWhenEverythingIsAllowed) {
  allow("0.0.0.0/0,::/0");
  for (const char* to : {kNeighbour, "10.0.0.2", "192.0.2.1"}) EXPECT_TRUE(passes(udp(kClient, to))) << to;
  for (const char* to : {kNeighbour6, "fd00:10::2"}) EXPECT_TRUE(passes(udp(kClient6, to))) << to;
  for (const char* to : {kGateway, "10.0.0.1"}) EXPECT_TRUE(reaches_gateway(udp(kClient, to))) << to;
  for (const char* to : {kGateway6, "fd00:10::1"}) EXPECT_TRUE(reaches_gateway(udp(kClient6, to))) << to;
}

TEST_F(Access, OfOneFamilySaysNothingOfTheOther) {
  allow("0.0.0.0/0");
  EXPECT_TRUE(passes(udp(kClient, "10.0.0.2")));
  EXPECT_FALSE(passes(udp(kClient6, "fd00:10::2")));
  allow("::/0");
  EXPECT_FALSE(passes(udp(kClient, "10.0.0.2")));
  EXPECT_TRUE(passes(udp(kClient6, "fd00:10::2")));
}

TEST_F(Access, NeedsAnAddressOfTheVpn) {
  allow("0.0.0.0/0,::/0");
  for (const char* from : {"192.168.3.2", "10.0.0.2"}) {
    EXPECT_FALSE(passes(udp(from, "10.0.0.9"))) << from;
    EXPECT_FALSE(passes(udp(from, kNeighbour))) << from;
    EXPECT_FALSE(reaches_gateway(ping(from, kGateway))) << from;
  }
  for (const char* from : {"fd00:3::2", "fd00:10::9", "fe80::2"}) {
    EXPECT_FALSE(passes(udp(from, "fd00:10::2"))) << from;
    EXPECT_FALSE(passes(udp(from, kNeighbour6))) << from;
    EXPECT_FALSE(reaches_gateway(ping6(from, kGateway6))) << from;
  }
  config_.addresses.pop_back();
  allow("0.0.0.0/0,::/0");
  EXPECT_FALSE(passes(udp(kClient6, "fd00:10::2"))) << "the VPN has no IPv6";
  EXPECT_FALSE(reaches_gateway(ping6(kClient6, kGateway6)));
}

TEST_F(Access, ToTheGatewayItselfIsAsToAnyMachineButForItsPing) {
  allow("10.1.0.0/16");
  EXPECT_TRUE(reaches_gateway(ping(kClient, kGateway)));
  EXPECT_FALSE(reaches_gateway(udp(kClient, kGateway)));
  for (const char* own : {"10.0.0.1", "192.168.2.255", "224.0.0.1", "255.255.255.255"}) {
    EXPECT_FALSE(reaches_gateway(ping(kClient, own))) << own;
    EXPECT_FALSE(reaches_gateway(udp(kClient, own))) << own;
  }
  EXPECT_TRUE(reaches_gateway(ping6(kClient6, kGateway6)));
  EXPECT_FALSE(reaches_gateway(udp(kClient6, kGateway6)));
  for (const char* own : {"fd00:10::1", "fd00:2::", "ff02::1", "ff02::2"}) {
    EXPECT_FALSE(reaches_gateway(ping6(kClient6, own))) << own;
    EXPECT_FALSE(reaches_gateway(udp(kClient6, own))) << own;
  }
  allow("192.168.2.1,fd00:2::1");
  EXPECT_TRUE(reaches_gateway(udp(kClient, kGateway)));
  EXPECT_FALSE(reaches_gateway(udp(kClient, "10.0.0.1")));
  EXPECT_TRUE(reaches_gateway(udp(kClient6, kGateway6)));
  EXPECT_FALSE(reaches_gateway(udp(kClient6, "fd00:10::1")));
}

// route_localnet is on in these tests.
TEST_F(Access, IsNeverToLoopback) {
  allow("0.0.0.0/0,::/0");
  EXPECT_FALSE(reaches_gateway(tcp_syn(kClient, "127.0.0.1", 3000)));
  EXPECT_FALSE(reaches_gateway(tcp_syn(kClient6, "::1", 3000)));
}

TEST_F(Access, LeavesAClosedPortToOthers) {
  config_.closed_tcp_port = 3000;
  allow("0.0.0.0/0,::/0");
  EXPECT_FALSE(reaches_gateway(tcp_syn(kClient, kGateway, 3000)));
  EXPECT_FALSE(reaches_gateway(tcp_syn(kClient, "10.0.0.1", 3000)));
  EXPECT_TRUE(reaches_gateway(tcp_syn(kClient, kGateway, 3001)));
  EXPECT_TRUE(passes(tcp_syn(kClient, "10.0.0.2", 3000)));
  EXPECT_FALSE(reaches_gateway(tcp_syn(kClient6, kGateway6, 3000)));
  EXPECT_FALSE(reaches_gateway(tcp_syn(kClient6, "fd00:10::1", 3000)));
  EXPECT_TRUE(reaches_gateway(tcp_syn(kClient6, kGateway6, 3001)));
  EXPECT_TRUE(passes(tcp_syn(kClient6, "fd00:10::2", 3000)));
}

TEST_F(Access, IncludesAnswersToThoseWhoCalled) {
  allow("10.1.0.0/16");
  EXPECT_FALSE(passes(udp(kClient, "10.0.0.2", 7, 8)));
  EXPECT_TRUE(passes_from_site(udp("10.0.0.2", kClient, 8, 7)));
  EXPECT_TRUE(passes(udp(kClient, "10.0.0.2", 7, 8)));
  EXPECT_FALSE(passes(udp(kClient, "10.0.0.2", 7, 9))) << "not an answer";
  EXPECT_FALSE(passes(udp(kNeighbour, "10.0.0.2", 7, 8))) << "not the one who was called";
  EXPECT_FALSE(passes(udp(kClient6, "fd00:10::2", 7, 8)));
  EXPECT_TRUE(passes_from_site(udp("fd00:10::2", kClient6, 8, 7)));
  EXPECT_TRUE(passes(udp(kClient6, "fd00:10::2", 7, 8)));
  EXPECT_FALSE(passes(udp(kClient6, "fd00:10::2", 7, 9))) << "not an answer";
}

TEST_F(Access, EndsForOpenConnectionsWhenItIsTaken) {
  allow("10.0.0.0/24");
  EXPECT_TRUE(passes(udp(kClient, "10.0.0.2")));
  EXPECT_TRUE(passes_from_site(udp("10.0.0.2", "10.0.0.1"))) << "the answer, back through NAT";
  allow("10.1.0.0/16");
  EXPECT_FALSE(passes(udp(kClient, "10.0.0.2")));
}

TEST_F(Access, TakesAsManyPrefixesAsTheSettingHolds) {
  std::string prefixes = "10.1.0.0/16";
  for (int i = 0; prefixes.size() < 1000; ++i)
    prefixes += ",10.1." + std::to_string(i) + ".0/" + std::to_string(20 + i % 5);
  allow(prefixes);
  EXPECT_TRUE(passes(udp(kClient, "10.1.77.7")));
  EXPECT_FALSE(passes(udp(kClient, "10.2.0.0")));
}

// Packets on one processor see the rules change from another: none may find a moment without rules, and hardly any that
// is permitted may be lost.
TEST_F(Access, IsNeverOpenWhileTheRulesChange) {
  const std::vector<std::vector<std::uint8_t>> forbidden = {udp(kClient, "10.0.0.2"), udp(kClient, kNeighbour),
                                                            udp(kClient6, "fd00:10::2"), udp("10.0.0.3", "10.9.9.9")};
  const std::vector<std::uint8_t> permitted = udp(kClient, "10.9.9.9"), to_gateway = udp(kClient, kGateway);
  allow("10.9.9.9");
  std::atomic<bool> stop = false;
  long rounds = 0;
  std::thread flood([&] {
    for (; !stop; ++rounds) {
      for (const auto& packet : forbidden) wg0_.deliver(packet);
      wg0_.deliver(to_gateway);
      wg0_.deliver(permitted);
    }
  });
  for (int i = 0; i < kReloads; ++i) {
    config_.masquerade = i % 3 != 0;
    allow(i % 2 == 0 ? "10.9.0.0/16,fd00:99::/64" : "10.9.9.9,10.8.0.0/16,10.7.0.0/16");
  }
  stop = true;
  flood.join();
  EXPECT_EQ(count("passed"), 0);
  EXPECT_EQ(count("arrived"), 0);
  EXPECT_GT(rounds, kReloads);
  EXPECT_GE(count("permitted"), rounds - kReloads);  // one may be under way at each change
}

}  // namespace
}  // namespace vpn::host
