#include "tunnel/memory/memory_tunnel.h"

#include "tunnel/tunnel_contract_test.h"

namespace vpn::tunnel {
namespace {

class MemoryRig {
 public:
  Tunnel& tunnel() { return tunnel_; }

  std::uint16_t taken_port() {
    tunnel_.occupy_port(1);
    return 1;
  }

  void start_handshake(const PrivateKey& peer) {
    tunnel_.learn(engine::crypto::derive_public_key(peer), *Endpoint::parse("192.0.2.7:4242"),
                  SystemClock().wall_now());
  }

 private:
  MemoryTunnel tunnel_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(MemoryTunnel, TunnelContract, ::testing::Types<MemoryRig>);

Peer numbered_peer(std::uint8_t number) {
  Peer peer;
  peer.public_key.bytes[0] = number;
  peer.allowed_ips = {{IpAddress::v4(0x0a000000u + number), 32}};
  return peer;
}

TEST(MemoryTunnel, FailsAsOftenAsToldAndChangesNothing) {
  MemoryTunnel tunnel;
  tunnel.fail_next(2, {ErrorCode::kIo, "told to"});
  EXPECT_EQ(tunnel.apply({{numbered_peer(1)}, {}}).error().message, "told to");
  EXPECT_FALSE(tunnel.configure({PrivateKey(), 1}));
  EXPECT_TRUE(tunnel.status()->peers.empty());
  EXPECT_EQ(tunnel.status()->listen_port, 0);
}

TEST(MemoryTunnel, HoldsNoMoreThanItsLimitAndTakesNothingOfADeltaTooLarge) {
  MemoryTunnel tunnel("wg0", 2);
  ASSERT_TRUE(tunnel.apply({{numbered_peer(1), numbered_peer(2)}, {}}));
  const Status status = tunnel.apply({{numbered_peer(2), numbered_peer(3)}, {}});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kExhausted);
  EXPECT_TRUE(diff(std::vector{numbered_peer(1), numbered_peer(2)}, tunnel.status()->peers).empty());
  EXPECT_TRUE(tunnel.apply({{numbered_peer(2), numbered_peer(3)}, {numbered_peer(1).public_key}}));
}

TEST(MemoryTunnel, CountsTrafficOfKnownPeers) {
  MemoryTunnel tunnel;
  ASSERT_TRUE(tunnel.apply({{numbered_peer(1)}, {}}));
  tunnel.add_traffic(numbered_peer(1).public_key, 100, 20);
  tunnel.add_traffic(numbered_peer(2).public_key, 1, 1);
  const auto status = tunnel.status();
  ASSERT_EQ(status->peers.size(), 1u);
  EXPECT_EQ(status->peers[0].rx_bytes, 100u);
  EXPECT_EQ(status->peers[0].tx_bytes, 20u);
}

}  // namespace
}  // namespace vpn::tunnel
