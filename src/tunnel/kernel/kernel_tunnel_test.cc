// Needs a kernel with WireGuard and runs in one of its own: tests/kernel boots it.
#include "tunnel/kernel/kernel_tunnel.h"

#include <net/if.h>
#include <poll.h>

#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <iostream>
#include <mutex>
#include <thread>

#include "base/test_namespace.h"
#include "host/linux_host.h"
#include "tunnel/kernel/kernel_link.h"
#include "tunnel/tunnel_contract_test.h"

namespace vpn::tunnel {
namespace {

/// A network namespace, and in it the kernel's tunnels wg0 and, as the peer, "peer".
class KernelWorld {
 public:
  std::unique_ptr<KernelTunnel> open(const std::string& name) {
    auto tunnel =
        KernelTunnel::open({.interface_name = name, .look_interval = std::chrono::milliseconds(100)}, clock_, logger_);
    EXPECT_TRUE(tunnel) << tunnel.error().message;
    CHECK(tunnel);
    return *std::move(tunnel);
  }

  void bring_up(const std::string& name) {
    const Status status = host_.configure_link({name, {}, 1420});
    EXPECT_TRUE(status) << status.error().message;
  }

  /// The peer with this key calls the tunnel, and does so at once: a link that comes up calls whoever it keeps alive.
  void call(const Tunnel& tunnel, const PrivateKey& key) {
    const TunnelStatus called = *tunnel.status();
    peer_ = open("peer");
    EXPECT_TRUE(peer_->configure({key, 0}));
    Peer gateway;
    gateway.public_key = called.public_key;
    gateway.persistent_keepalive_s = 25;
    EXPECT_TRUE(peer_->apply({{gateway}, {}}));
    const PeerEndpoint endpoint{called.public_key, {*IpAddress::parse("127.0.0.1"), called.listen_port}, {}};
    EXPECT_TRUE(peer_->restore_endpoints(std::vector{endpoint}));
    bring_up("peer");
  }

  const Clock& clock() const { return clock_; }
  Logger& logger() { return logger_; }

 private:
  TestNamespace namespace_;
  TestNamespace::Visit visit_ = namespace_.enter();
  SystemClock clock_;
  NullLogger logger_;
  host::LinuxHost host_;
  std::unique_ptr<KernelTunnel> peer_;
};

class KernelRig {
 public:
  KernelRig() { world_.bring_up("wg0"); }

  KernelTunnel& tunnel() { return *tunnel_; }

  std::uint16_t taken_port() {
    taken_.reset(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_storage address{};
    socklen_t size = Endpoint{*IpAddress::parse("0.0.0.0")}.to_sockaddr(address);
    CHECK(bind(taken_.get(), reinterpret_cast<sockaddr*>(&address), size) == 0);
    CHECK(getsockname(taken_.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0);
    return Endpoint::from_sockaddr(address).port;
  }

  void start_handshake(const PrivateKey& key) { world_.call(*tunnel_, key); }

 private:
  KernelWorld world_;
  std::unique_ptr<KernelTunnel> tunnel_ = world_.open("wg0");
  UniqueFd taken_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(KernelTunnel, TunnelContract, ::testing::Types<KernelRig>);

class KernelTunnelTest : public ::testing::Test {
 protected:
  PrivateKey new_key() { return engine::crypto::generate_private_key(random_); }

  Peer new_peer(const PrivateKey& key) {
    Peer peer;
    peer.public_key = engine::crypto::derive_public_key(key);
    peer.allowed_ips = {*IpPrefix::parse("10.0.0.1/32")};
    return peer;
  }

  static bool readable(int fd, int timeout_ms) {
    pollfd poll_fd{fd, POLLIN, 0};
    return poll(&poll_fd, 1, timeout_ms) == 1;
  }

  void expect_refused() {
    const auto tunnel = KernelTunnel::open({.interface_name = "wg0"}, world_.clock(), world_.logger());
    ASSERT_FALSE(tunnel);
    EXPECT_EQ(tunnel.error().code, ErrorCode::kAlreadyExists) << tunnel.error().message;
  }

  SeededRandom random_{1};
  KernelWorld world_;
};

TEST_F(KernelTunnelTest, IsAdoptedAsItWasLeft) {
  const PrivateKey own_key = new_key(), peer_key = new_key();
  const Peer peer = new_peer(peer_key);
  auto tunnel = world_.open("wg0");
  world_.bring_up("wg0");
  ASSERT_TRUE(tunnel->configure({own_key, 4242}));
  ASSERT_TRUE(tunnel->apply({{peer}, {}}));
  world_.call(*tunnel, peer_key);
  const auto deadline = world_.clock().now() + std::chrono::seconds(20);
  while ((*tunnel->peer(peer.public_key))->rx_bytes == 0) ASSERT_LT(world_.clock().now(), deadline);
  const PeerStatus before = **tunnel->peer(peer.public_key);
  const unsigned index = if_nametoindex("wg0");

  tunnel.reset();
  ASSERT_EQ(if_nametoindex("wg0"), index) << "it stays when the process goes";
  tunnel = world_.open("wg0");
  ASSERT_TRUE(tunnel->configure({own_key, 4242}));
  const TunnelStatus status = *tunnel->status();
  EXPECT_EQ(if_nametoindex("wg0"), index);
  EXPECT_TRUE(status.private_key == own_key);
  EXPECT_EQ(status.listen_port, 4242);
  ASSERT_EQ(status.peers.size(), 1u);
  EXPECT_TRUE(diff(std::vector{peer}, status.peers).empty());
  EXPECT_EQ(status.peers[0].endpoint, before.endpoint);
  EXPECT_EQ(status.peers[0].last_handshake, before.last_handshake);
  EXPECT_GE(status.peers[0].rx_bytes, before.rx_bytes);
}

TEST_F(KernelTunnelTest, NeverTouchesAnInterfaceThatSomebodyElseMade) {
  TestNamespace::ip("link add wg0 mtu 1300 type wireguard");
  const unsigned index = if_nametoindex("wg0");
  expect_refused();
  const Status removed = KernelTunnel::remove("wg0");
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(if_nametoindex("wg0"), index);
}

TEST_F(KernelTunnelTest, IsServedByOneProcessAtATime) {
  const auto tunnel = world_.open("wg0");
  expect_refused();
  EXPECT_FALSE(KernelTunnel::remove("wg0")) << "not under the feet of the one that serves it";
  EXPECT_TRUE(tunnel->status());
}

TEST_F(KernelTunnelTest, IsRemovedOnceNobodyServesIt) {
  world_.open("wg0").reset();
  EXPECT_TRUE(KernelTunnel::remove("wg0"));
  EXPECT_EQ(if_nametoindex("wg0"), 0u);
  EXPECT_TRUE(KernelTunnel::remove("wg0")) << "none is no error";
}

/// Counts what it is told.
class Bell {
 public:
  void ring() {
    const std::lock_guard lock(mutex_);
    ++rings_;
    rung_.notify_one();
  }
  bool wait_for(int rings) {
    std::unique_lock lock(mutex_);
    return rung_.wait_for(lock, std::chrono::seconds(20), [&] { return rings_ >= rings; });
  }
  int rings() {
    const std::lock_guard lock(mutex_);
    return rings_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable rung_;
  int rings_ = 0;  // guarded by mutex_
};

// As an administrator does.
void set_by_wg(const Peer& peer, const std::string& change) {
  EXPECT_EQ(std::system(("wg set wg0 peer " + to_string(peer.public_key) + " " + change).c_str()), 0);
}

TEST_F(KernelTunnelTest, TellsOfAPeerThatSomebodyElseTookAwayOrChanged) {
  const PrivateKey key = new_key();
  const Peer client = new_peer(key);
  Peer other = new_peer(new_key());
  other.allowed_ips = {*IpPrefix::parse("10.0.0.2/32")};
  const auto tunnel = world_.open("wg0");
  world_.bring_up("wg0");
  Bell changes, endpoints;
  tunnel->on_foreign_change([&] { changes.ring(); });
  tunnel->on_learned_endpoints([&] { endpoints.ring(); });
  ASSERT_TRUE(tunnel->configure({new_key(), 4242}));
  ASSERT_TRUE(tunnel->apply({{client, other}, {}}));
  world_.call(*tunnel, key);
  ASSERT_TRUE(endpoints.wait_for(1));
  const Endpoint endpoint = (*tunnel->peer(client.public_key))->endpoint;

  set_by_wg(client, "remove");
  ASSERT_TRUE(changes.wait_for(1));
  ASSERT_TRUE(tunnel->apply({{client}, {}}));
  EXPECT_EQ((*tunnel->peer(client.public_key))->endpoint, endpoint) << "so that it is called at once";
  ASSERT_TRUE(tunnel->apply({{}, {client.public_key}}));
  set_by_wg(new_peer(new_key()), "persistent-keepalive 25");  // one of their own
  set_by_wg(other, "allowed-ips 10.0.0.3/32");
  ASSERT_TRUE(changes.wait_for(2));
  ASSERT_TRUE(tunnel->apply({{other}, {}}));
  set_by_wg(other, "persistent-keepalive 7");
  ASSERT_TRUE(changes.wait_for(3));
  EXPECT_EQ(changes.rings(), 3) << "once each, and never of our own changes";
}

TEST_F(KernelTunnelTest, TellsOfAPeerThatItFoundAtItsAdoption) {
  const Peer client = new_peer(new_key());
  ASSERT_TRUE(world_.open("wg0")->apply({{client}, {}}));
  const auto tunnel = world_.open("wg0");
  Bell changes;
  tunnel->on_foreign_change([&] { changes.ring(); });
  set_by_wg(client, "remove");
  EXPECT_TRUE(changes.wait_for(1));
}

TEST_F(KernelTunnelTest, SaysWhenItsInterfaceIsRemovedFromOutside) {
  const auto tunnel = world_.open("wg0");
  EXPECT_FALSE(readable(tunnel->closed_fd(), 0));
  TestNamespace::ip("link del wg0");
  EXPECT_TRUE(readable(tunnel->closed_fd(), 10'000));
  const auto status = tunnel->status();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnavailable) << status.error().message;
  EXPECT_FALSE(tunnel->apply({{new_peer(new_key())}, {}}));
}

// The kernel says so by a flag; what was read until then is begun anew.
TEST_F(KernelTunnelTest, ShowsEveryPeerWhileOthersComeAndGo) {
  constexpr std::size_t kStaying = 500;  // a few messages
  const auto tunnel = world_.open("wg0");
  std::vector<Peer> staying(kStaying);
  for (Peer& peer : staying) random_.fill(peer.public_key.bytes);
  ASSERT_TRUE(tunnel->apply({staying, {}}));
  const Peer guest = new_peer(new_key());
  std::atomic<bool> done = false;
  std::thread changer([&] {
    while (!done) {
      set_by_wg(guest, "persistent-keepalive 25");
      set_by_wg(guest, "remove");
    }
  });
  for (int i = 0; i < 50; ++i) {
    const auto status = tunnel->status();
    EXPECT_TRUE(status) << status.error().message;
    if (!status) break;
    EXPECT_TRUE(diff(staying, status->peers).set.empty());
  }
  done = true;
  changer.join();
}

TEST_F(KernelTunnelTest, HoldsAPeerWithMoreAllowedIpsThanAMessageTakes) {
  const auto tunnel = world_.open("wg0");
  Peer peer = new_peer(new_key());
  for (std::uint32_t i = 0; i < 20'000; ++i) peer.allowed_ips.push_back({IpAddress::v4(0x0a010000 + i), 32});
  const Peer other = new_peer(new_key());
  ASSERT_TRUE(tunnel->apply({{other, peer}, {}}));
  EXPECT_TRUE(diff(std::vector{peer}, std::vector{**tunnel->peer(peer.public_key)}).empty());
  EXPECT_EQ(tunnel->status()->peers.size(), 2u);
}

// Without a private key, as that costs a Diffie-Hellman per peer, and here every instruction is emulated.
TEST_F(KernelTunnelTest, HoldsAHundredThousandPeers) {
  const auto tunnel = world_.open("wg0");
  std::vector<Peer> peers(100'000);
  for (std::uint32_t i = 0; i < peers.size(); ++i) {
    random_.fill(peers[i].public_key.bytes);
    peers[i].allowed_ips = {{IpAddress::v4(0x0a000000 + i), 32}};
  }
  const Instant begun = world_.clock().now();
  ASSERT_TRUE(tunnel->apply({peers, {}}));
  const Instant set = world_.clock().now();
  const auto status = tunnel->status();
  const Instant dumped = world_.clock().now();
  ASSERT_TRUE(status);
  EXPECT_TRUE(diff(peers, status->peers).empty());
  std::cout << "100,000 peers: set in " << (set - begun) / std::chrono::milliseconds(1) << " ms, dumped in "
            << (dumped - set) / std::chrono::milliseconds(1) << " ms\n";
  EXPECT_LT(dumped - begun, std::chrono::seconds(60));
}

TEST_F(KernelTunnelTest, RefusesMorePeersThanTheKernelHolds) {
  const auto tunnel = world_.open("wg0");
  const Status status = tunnel->apply({std::vector<Peer>(KernelTunnel::kMaxPeers + 1), {}});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kExhausted);
  EXPECT_TRUE(tunnel->status()->peers.empty());
}

/// Before the module is loaded.
TEST(KernelWithoutWireguard, IsUnsupported) {
  const TestNamespace space;
  const auto visit = space.enter();
  const SystemClock clock;
  NullLogger logger;
  const auto tunnel = KernelTunnel::open({.interface_name = "wg0"}, clock, logger);
  ASSERT_FALSE(tunnel);
  EXPECT_EQ(tunnel.error().code, ErrorCode::kUnsupported) << tunnel.error().message;
  EXPECT_EQ(if_nametoindex("wg0"), 0u);
}

}  // namespace
}  // namespace vpn::tunnel
