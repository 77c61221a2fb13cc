// What is set and what is told: keys, peers, the link, snapshots and learned endpoints.
#include "engine/protocol/test_interface.h"

namespace vpn::engine::protocol {
namespace {

TEST_F(InterfaceTest, PresharedKeyChangeCountsFromTheNextHandshake) {
  connect();
  PresharedKey psk;
  client.random.fill(psk.reveal_mutable());
  client.configure({.peers = {{.public_key = gateway.public_key, .preshared_key = psk}}}, now());
  client_sends();
  EXPECT_EQ(gateway.receive(take_one(client), now()).verdict, InVerdict::kDeliver);
  clock.advance(181s);
  client_sends();
  gateway.receive(take_one(client), now());
  client.receive(take_one(gateway), now());
  EXPECT_TRUE(client.outbox.empty());
  EXPECT_EQ(client.drops(DropReason::kInvalidHandshake), 1u);
  gateway.configure({.peers = {{.public_key = client.public_key, .preshared_key = psk}}}, now());
  gateway.delivered.clear();
  advance(6s);
  exchange();
  EXPECT_EQ(gateway.delivered.size(), 1u);
}

TEST_F(InterfaceTest, NewPrivateKeyEndsSessionsAndRemovesThePeerThatIsUs) {
  connect();
  const PrivateKey key = crypto::generate_private_key(client.random);
  InterfaceUpdate update;
  update.peers.push_back({.public_key = crypto::derive_public_key(key)});
  client.configure(update, now());
  EXPECT_EQ(client.interface.snapshot().peers.size(), 2u);
  update = {};
  update.private_key = key;
  client.configure(update, now());
  EXPECT_EQ(client.interface.snapshot().peers.size(), 1u);
  EXPECT_EQ(client.interface.snapshot().public_key, crypto::derive_public_key(key));
  gateway_sends();
  EXPECT_EQ(client.receive(take_one(gateway), now()).verdict, InVerdict::kDeliver);  // what is under way still arrives
  EXPECT_EQ(client.send(to_gateway(), now()).verdict, OutVerdict::kStaged);
}

TEST_F(InterfaceTest, UnclampedPrivateKeyIsTheSameKey) {
  PrivateKey unclamped = gateway.private_key;
  unclamped.reveal_mutable()[0] |= 7;
  connect();
  gateway.configure({.private_key = unclamped}, now());
  EXPECT_EQ(gateway.interface.snapshot().private_key, gateway.private_key);
  client_sends();
  EXPECT_EQ(gateway.receive(take_one(client), now()).verdict, InVerdict::kDeliver);
}

TEST_F(InterfaceTest, OwnKeyAsPeerIsLeftOut) {
  gateway.configure({.peers = {{.public_key = gateway.public_key}}}, now());
  EXPECT_EQ(gateway.interface.snapshot().peers.size(), 1u);
}

TEST_F(InterfaceTest, DownWipesKeysAndUpBeginsAgain) {
  connect();
  client.actions.clear();
  client.interface.set_up(false, now(), client.actions);
  EXPECT_EQ(client.interface.session_count(), 0u);
  for (int i = 0; i < 600; ++i) {
    clock.advance(1s);
    client.expire(now());
  }
  EXPECT_TRUE(client.outbox.empty());
  EXPECT_EQ(client.send(to_gateway(), now()).verdict, OutVerdict::kDropped);
  client.interface.set_up(true, now(), client.actions);
  gateway.delivered.clear();
  clock.advance(1s);
  client_sends();
  exchange();
  EXPECT_EQ(gateway.delivered.size(), 1u);
}

TEST_F(InterfaceTest, HandshakesThatWaitWhenItGoesDownAreForgotten) {
  client_sends();
  gateway.queue(take_one(client), now());
  gateway.actions.clear();
  gateway.interface.set_up(false, now(), gateway.actions);
  gateway.work(now());
  EXPECT_TRUE(gateway.outbox.empty());
  EXPECT_EQ(gateway.interface.session_count(), 0u);
}

TEST_F(InterfaceTest, PeersThatCameBeforeThePrivateKeyAreCalledOnceItIsThere) {
  TestNode late(5, "192.0.2.5:1000", "10.0.0.2", now());
  const PrivateKey key = late.private_key;
  late.configure({.private_key = PrivateKey()}, now());
  PeerUpdate peer = late.peer_update(gateway, true);
  peer.persistent_keepalive_s = 25;
  late.configure({.peers = {peer}}, now());
  late.send(to_gateway(), now());
  late.expire(now());
  EXPECT_TRUE(late.outbox.empty());
  late.configure({.private_key = key}, now());
  late.expire(now());
  EXPECT_EQ(type_of(take_one(late)), MessageType::kHandshakeInitiation);
}

TEST_F(InterfaceTest, RemovedPeerIsGoneAtOnce) {
  connect();
  client_sends();
  const TestDatagram data = take_one(client);
  gateway.configure({.peers = {{.public_key = client.public_key, .remove = true}}}, now());
  EXPECT_EQ(gateway.receive(data, now()).reason, DropReason::kUnknownIndex);
  EXPECT_TRUE(gateway.outbox.empty());
  EXPECT_EQ(gateway.send(to_client(), now()).reason, DropReason::kNoPeer);
  EXPECT_EQ(gateway.interface.session_count(), 0u);
  EXPECT_EQ(gateway.interface.next_deadline(), kNever);
}

TEST_F(InterfaceTest, ConfiguringAnotherPeerKeepsTheSessionAndTheEndpoint) {
  connect();
  InterfaceUpdate update;
  PeerUpdate other;
  client.random.fill(other.public_key.bytes);
  other.allowed_ips.push_back({*IpPrefix::parse("10.0.0.9/32")});
  update.peers.push_back(other);
  update.peers.push_back(gateway.peer_update(client, false));
  gateway.configure(update, now());
  gateway_sends();
  EXPECT_EQ(client.receive(take_one(gateway), now()).verdict, InVerdict::kDeliver);
}

TEST_F(InterfaceTest, RefusesMorePeersThanItsLimitAndChangesNothing) {
  InterfaceUpdate update;
  update.peers.resize(kMaxPeers);
  for (std::uint32_t i = 0; i < kMaxPeers; ++i) store_le32(update.peers[i].public_key.bytes.data(), i + 1);
  gateway.actions.clear();
  const Status status = gateway.interface.configure(update, now(), gateway.actions);
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kExhausted);
  EXPECT_EQ(gateway.interface.snapshot().peers.size(), 1u);
}

TEST_F(InterfaceTest, SnapshotTellsWhatWgShows) {
  connect();
  const InterfaceSnapshot snapshot = gateway.interface.snapshot();
  EXPECT_EQ(snapshot.public_key, gateway.public_key);
  ASSERT_EQ(snapshot.peers.size(), 1u);
  const PeerSnapshot& peer = snapshot.peers[0];
  EXPECT_EQ(peer.public_key, client.public_key);
  EXPECT_EQ(peer.endpoint, client.address);
  EXPECT_EQ(peer.last_handshake, clock.wall_now());
  EXPECT_EQ(peer.rx_bytes, sizeof(HandshakeInitiation) + 128 + 32);
  EXPECT_EQ(peer.tx_bytes, sizeof(HandshakeResponse));
  ASSERT_EQ(peer.allowed_ips.size(), 1u);
  EXPECT_EQ(to_string(peer.allowed_ips[0]), "10.0.0.2/32");
}

TEST_F(InterfaceTest, LearnedEndpointsAreToldOnce) {
  EXPECT_FALSE(gateway.interface.has_learned_endpoints());
  connect();
  ASSERT_TRUE(gateway.interface.has_learned_endpoints());
  const auto learned = gateway.interface.take_learned_endpoints();
  ASSERT_EQ(learned.size(), 1u);
  EXPECT_EQ(learned[0].public_key, client.public_key);
  EXPECT_EQ(learned[0].endpoint, client.address);
  EXPECT_EQ(learned[0].last_handshake, clock.wall_now());
  EXPECT_FALSE(gateway.interface.has_learned_endpoints());
  client_sends();
  exchange();
  EXPECT_FALSE(gateway.interface.has_learned_endpoints());
}

TEST_F(InterfaceTest, RemovedClientIsNotToldAsLearned) {
  connect();
  gateway.configure({.peers = {{.public_key = client.public_key, .remove = true}}}, now());
  EXPECT_TRUE(gateway.interface.take_learned_endpoints().empty());
}

TEST_F(InterfaceTest, HandshakesUnderANewPrivateKeyGoBothWaysAtOnce) {
  connect();
  const auto change_key = [this] {
    gateway.configure({.peers = {{.public_key = client.public_key, .remove = true}}}, now());
    client.private_key = crypto::generate_private_key(client.random);
    client.public_key = crypto::derive_public_key(client.private_key);
    client.configure({.private_key = client.private_key}, now());
    gateway.add_peer(client, true, now());
  };
  change_key();
  client_sends();
  exchange();
  EXPECT_EQ(gateway.delivered.size(), 1u);
  change_key();
  gateway_sends();
  exchange();
  EXPECT_EQ(client.delivered.size(), 1u);
}

TEST_F(InterfaceTest, DownAndUpBeginsAgainAtOnce) {
  connect();
  client.actions.clear();
  client.interface.set_up(false, now(), client.actions);
  client.interface.set_up(true, now(), client.actions);
  client_sends();
  EXPECT_EQ(type_of(take_one(client)), MessageType::kHandshakeInitiation);
}

}  // namespace
}  // namespace vpn::engine::protocol
