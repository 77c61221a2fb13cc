// The gateway's NAT, packet by packet. The site's machine has no route back to the VPN.
//
//     client ns              gateway ns                  site ns
//     tunnel ------------ wg0          uplink ---------- eth0
//     192.168.2.2/24      192.168.2.1  10.0.0.1          10.0.0.2/24
//     fd00:2::2/64        fd00:2::1    fd00:10::1        fd00:10::2/64
#include "host/linux_host.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/test_namespace.h"
#include "host/nftables.h"

namespace vpn::host {
namespace {

constexpr int kPatience_ms = 10'000;

/// From a client to the site, once in IPv4 and once in IPv6; and how the site sees it behind NAT.
struct Path {
  const char* at_site;
  const char* at_client;
  const char* at_gateway;
};
constexpr Path kPaths[] = {{"10.0.0.2", "192.168.2.2", "10.0.0.1"}, {"fd00:10::2", "fd00:2::2", "fd00:10::1"}};

Endpoint local_endpoint(const UniqueFd& socket) {
  sockaddr_storage address{};
  socklen_t size = sizeof address;
  CHECK(getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
  return Endpoint::from_sockaddr(address);
}

// A socket at a free port of `address`, in the calling thread's namespace.
UniqueFd open_socket(int type, const char* address) {
  sockaddr_storage storage{};
  const socklen_t size = Endpoint{*IpAddress::parse(address)}.to_sockaddr(storage);
  UniqueFd socket(::socket(storage.ss_family, type | SOCK_CLOEXEC, 0));
  CHECK(bind(socket.get(), reinterpret_cast<sockaddr*>(&storage), size) == 0);
  return socket;
}

void connect_to(const UniqueFd& socket, const Endpoint& remote) {
  sockaddr_storage storage{};
  const socklen_t size = remote.to_sockaddr(storage);
  EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&storage), size), 0) << errno;
}

bool readable(const UniqueFd& socket) {
  pollfd waiting{socket.get(), POLLIN, 0};
  return poll(&waiting, 1, kPatience_ms) == 1;
}

// Receives a datagram, answers it in kind, and returns where it came from.
Endpoint receive_and_answer(const UniqueFd& socket) {
  if (!readable(socket)) return {};
  sockaddr_storage from{};
  socklen_t size = sizeof from;
  char byte = 0;
  EXPECT_EQ(recvfrom(socket.get(), &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &size), 1);
  EXPECT_EQ(sendto(socket.get(), &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), size), 1);
  return Endpoint::from_sockaddr(from);
}

std::string ruleset() {
  const auto listing = run_nftables("list ruleset\n");
  return listing ? *listing : listing.error().message;
}

class LinuxHostRules : public ::testing::Test {
 protected:
  LinuxHostRules() {
    lay_cable(gateway_, "uplink", site_, "eth0");
    lay_cable(gateway_, "wg0", client_, "tunnel");
    TestNamespace::ip("address add 10.0.0.1/24 dev uplink");
    TestNamespace::ip("address add fd00:10::1/64 dev uplink nodad");
    TestNamespace::ip("link set uplink up");
    {
      const auto visit = client_.enter();
      TestNamespace::ip("address add 192.168.2.2/24 dev tunnel");
      TestNamespace::ip("address add fd00:2::2/64 dev tunnel nodad");
      TestNamespace::ip("link set tunnel up");
      TestNamespace::ip("route add default via 192.168.2.1");
      TestNamespace::ip("route add default via fd00:2::1");
    }
    const auto visit = site_.enter();
    TestNamespace::ip("address add 10.0.0.2/24 dev eth0");
    TestNamespace::ip("address add fd00:10::2/64 dev eth0 nodad");
    TestNamespace::ip("link set eth0 up");
  }

  void start_gateway() {
    const LinkConfig link{"wg0", config_.addresses, 1420};
    EXPECT_TRUE(host_.configure_link(link));
    EXPECT_TRUE(host_.enable_forwarding(link));
    const Status status = host_.apply_rules(config_);
    EXPECT_TRUE(status) << status.error().message;
    EXPECT_TRUE(is_at_home_in_ipv6());
  }

  // The kernel makes the route to an IPv6 address of its own in its own time, when the address is there already.
  static bool is_at_home_in_ipv6() {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kPatience_ms);
    while (std::chrono::steady_clock::now() < deadline) {
      std::stringstream table;
      table << std::ifstream("/proc/thread-self/net/ipv6_route").rdbuf();
      if (table.str().find("fd000002000000000000000000000001 80 ") != std::string::npos) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
  }

  UniqueFd socket_in(const TestNamespace& where, int type, const char* address) {
    const auto visit = where.enter();
    return open_socket(type, address);
  }

  TestNamespace client_, gateway_, site_;
  TestNamespace::Visit visit_ = gateway_.enter();
  LinuxHost host_;
  RulesConfig config_{.interface_name = "wg0",
                      .addresses = {*IpPrefix::parse("192.168.2.1/24"), *IpPrefix::parse("fd00:2::1/64")},
                      .allowed_ips = "0.0.0.0/0,::/0"};
};

TEST_F(LinuxHostRules, LetAClientReachTheSiteUnderTheGatewaysAddress) {
  start_gateway();
  for (const auto& [at_site, at_client, at_gateway] : kPaths) {
    const UniqueFd server = socket_in(site_, SOCK_DGRAM, at_site);
    const UniqueFd client = socket_in(client_, SOCK_DGRAM, at_client);
    connect_to(client, local_endpoint(server));
    ASSERT_EQ(send(client.get(), "x", 1, 0), 1);
    EXPECT_EQ(to_string(receive_and_answer(server).address), at_gateway);
    EXPECT_TRUE(readable(client)) << "the answer does not come back";
  }
}

TEST_F(LinuxHostRules, LeaveTheClientsAddressWithoutMasquerade) {
  config_.masquerade = false;
  start_gateway();
  {
    const auto visit = site_.enter();
    TestNamespace::ip("route add 192.168.2.0/24 via 10.0.0.1");
    TestNamespace::ip("route add fd00:2::/64 via fd00:10::1");
  }
  for (const auto& [at_site, at_client, at_gateway] : kPaths) {
    const UniqueFd server = socket_in(site_, SOCK_DGRAM, at_site);
    const UniqueFd client = socket_in(client_, SOCK_DGRAM, at_client);
    connect_to(client, local_endpoint(server));
    ASSERT_EQ(send(client.get(), "x", 1, 0), 1);
    EXPECT_EQ(to_string(receive_and_answer(server).address), at_client);
  }
}

TEST_F(LinuxHostRules, LeaveTheGatewaysTalkWithItselfAlone) {
  start_gateway();
  for (const char* own : {"192.168.2.1", "fd00:2::1"}) {
    const UniqueFd server = open_socket(SOCK_DGRAM, own);
    const UniqueFd client = open_socket(SOCK_DGRAM, own);
    connect_to(client, local_endpoint(server));
    ASSERT_EQ(send(client.get(), "x", 1, 0), 1);
    EXPECT_EQ(to_string(receive_and_answer(server).address), own);
  }
}

// The client's own link would carry 1460-byte segments, but between it and the site lies a tunnel of MTU 1420.
TEST_F(LinuxHostRules, ClampSegmentsToTheTunnel) {
  start_gateway();
  for (const auto& [at_site, at_client, at_gateway] : kPaths) {
    const UniqueFd listener = socket_in(site_, SOCK_STREAM, at_site);
    ASSERT_EQ(listen(listener.get(), 1), 0);
    const UniqueFd client = socket_in(client_, SOCK_STREAM, at_client);
    connect_to(client, local_endpoint(listener));
    const UniqueFd server(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    ASSERT_TRUE(server);

    const unsigned ip_header = IpAddress::parse(at_site)->is_v4() ? 20 : 40;
    const unsigned tunnel_segment = 1420 - ip_header - 20;  // less the TCP header
    for (const UniqueFd* end : {&client, &server}) {
      tcp_info info{};
      socklen_t size = sizeof info;
      ASSERT_EQ(getsockopt(end->get(), IPPROTO_TCP, TCP_INFO, &info, &size), 0);
      EXPECT_LE(info.tcpi_snd_mss, tunnel_segment);
      EXPECT_GT(info.tcpi_snd_mss, tunnel_segment - 40) << "clamped to less than the tunnel carries";
    }
  }
}

TEST_F(LinuxHostRules, TouchNobodyElsesTables) {
  ASSERT_TRUE(run_nftables(R"(
    table inet vpn_enabler_wg1 { chain postrouting { type nat hook postrouting priority srcnat; ip saddr 10.9.0.0/24 masquerade; }; }
    table ip nat { chain POSTROUTING { type nat hook postrouting priority srcnat; oifname "uplink" counter masquerade; }; }
    table inet filter { set friends { type ipv4_addr; elements = { 192.0.2.1 }; }; chain input { type filter hook input priority 0; }; }
  )"));
  const std::string before = ruleset();  // with every handle, so that a rule made anew would show
  start_gateway();
  const std::string during = ruleset();
  EXPECT_EQ(during.substr(0, before.size()), before);
  EXPECT_NE(during.find("table inet vpn_enabler_wg0 {"), std::string::npos);
  EXPECT_TRUE(host_.remove_rules());
  EXPECT_EQ(ruleset(), before);
}

TEST_F(LinuxHostRules, StandOnceAfterACrash) {
  const auto without_handles = [](std::string text) {
    for (std::size_t at; (at = text.find(" # handle ")) != text.npos;) text.erase(at, text.find('\n', at) - at);
    return text;
  };
  start_gateway();
  const std::string first = without_handles(ruleset());
  ASSERT_NE(first.find("masquerade"), std::string::npos);
  ASSERT_TRUE(run_nftables("add rule inet vpn_enabler_wg0 forward drop\n"));

  LinuxHost next_life;
  ASSERT_TRUE(next_life.apply_rules(config_));
  ASSERT_TRUE(next_life.apply_rules(config_));
  EXPECT_EQ(without_handles(ruleset()), first);
  EXPECT_TRUE(next_life.remove_rules());
  EXPECT_TRUE(next_life.remove_rules()) << "removing them twice is no error";
  EXPECT_EQ(ruleset(), "");
}

TEST_F(LinuxHostRules, ReplaceThoseOfAnEarlierInterface) {
  start_gateway();
  const std::string first = ruleset();
  ASSERT_NE(first.find("table inet vpn_enabler_wg0 {"), std::string::npos);

  LinuxHost next_life;
  config_.interface_name = "wg7";
  config_.earlier_interfaces = {"wg0", "wg8"};
  ASSERT_TRUE(next_life.apply_rules(config_));
  EXPECT_NE(ruleset().find("table inet vpn_enabler_wg0 {"), std::string::npos) << "whose link exists is in use";
  TestNamespace::ip("link delete wg0");
  ASSERT_TRUE(next_life.apply_rules(config_));
  EXPECT_EQ(ruleset().find("table inet vpn_enabler_wg0 {"), std::string::npos) << ruleset();
  EXPECT_NE(ruleset().find("table inet vpn_enabler_wg7 {"), std::string::npos);
  EXPECT_TRUE(next_life.remove_rules());
  EXPECT_EQ(ruleset(), "");
}

TEST_F(LinuxHostRules, AreGoneWhenSomebodyElseRemovedThem) {
  start_gateway();
  ASSERT_TRUE(run_nftables("flush ruleset\n"));
  EXPECT_TRUE(host_.remove_rules());
  EXPECT_EQ(ruleset(), "");
}

TEST_F(LinuxHostRules, ServeEveryValidInterfaceName) {
  for (const char* name : {"wg+0", "=.-_+", "fifteen-letters", "0", "lo", "table"}) {
    config_.interface_name = name;
    LinuxHost host;
    const Status status = host.apply_rules(config_);
    EXPECT_TRUE(status) << name << ": " << status.error().message;
    EXPECT_TRUE(host.remove_rules()) << name;
  }
  EXPECT_EQ(ruleset(), "");
}

}  // namespace
}  // namespace vpn::host
