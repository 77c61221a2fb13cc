// Sessions of an earlier life: who is called back after a restart, and who is met with silence (docs/adr/0002).
#include "engine/protocol/test_interface.h"

namespace vpn::engine::protocol {
namespace {

TEST_F(InterfaceTest, DataOfAnEarlierLifeIsAnsweredByAnInitiation) {
  connect();
  client_sends();
  const TestDatagram data = take_one(client);
  // The gateway's next life: the same key, the same peer, nothing else.
  clock.advance(1s);
  TestNode reborn(77, "192.0.2.1:51820", "10.0.0.1", now());
  InterfaceUpdate update;
  update.private_key = gateway.private_key;
  update.peers.push_back(gateway.peer_update(client, false));
  reborn.configure(update, now());

  EXPECT_EQ(reborn.receive(data, now()).reason, DropReason::kUnknownIndex);
  const TestDatagram initiation = take_one(reborn);
  EXPECT_EQ(type_of(initiation), MessageType::kHandshakeInitiation);
  EXPECT_EQ(initiation.to, client.address);
  EXPECT_FALSE(reborn.interface.snapshot().peers.at(0).endpoint);  // an unauthenticated packet moves nothing
  reborn.receive(data, now());
  EXPECT_TRUE(reborn.outbox.empty());  // one in 5 s

  client.receive(initiation, now());
  reborn.receive(take_one(client), now());
  client.receive(take_one(reborn), now());
  client_sends();
  EXPECT_EQ(reborn.receive(take_one(client), now()).verdict, InVerdict::kDeliver);
}

TEST_F(InterfaceTest, UnansweredCallToAnEarlierLifesClientLeavesNoKeyBehind) {
  connect();
  client_sends();
  const TestDatagram data = take_one(client);
  TestNode reborn(77, "192.0.2.1:51820", "10.0.0.1", now());
  reborn.configure({.private_key = gateway.private_key, .peers = {gateway.peer_update(client, false)}}, now());
  reborn.receive(data, now());
  EXPECT_EQ(reborn.interface.session_count(), 1u);
  for (int i = 0; i < 546; ++i) {
    clock.advance(1s);
    reborn.expire(now());
  }
  EXPECT_EQ(reborn.outbox.size(), 1u);
  EXPECT_EQ(reborn.interface.session_count(), 0u);
}

TEST_F(InterfaceTest, DataOfAnEarlierLifeIsMetWithSilenceAfter180Seconds) {
  connect();
  client_sends();
  const TestDatagram data = take_one(client);
  TestNode reborn(77, "192.0.2.1:51820", "10.0.0.1", now());
  reborn.configure({.private_key = gateway.private_key, .peers = {gateway.peer_update(client, false)}}, now());
  clock.advance(180s);
  reborn.receive(data, now());
  EXPECT_TRUE(reborn.outbox.empty());
}

TEST_F(InterfaceTest, RevivalCallsTheKnownEndpointToo) {
  connect();
  client_sends();
  TestDatagram data = take_one(client);
  TestNode reborn(77, "192.0.2.1:51820", "10.0.0.1", now());
  reborn.configure({.private_key = gateway.private_key, .peers = {gateway.peer_update(client, true)}}, now());
  data.from = *Endpoint::parse("198.51.100.9:9");
  reborn.receive(data, now());
  ASSERT_EQ(reborn.outbox.size(), 2u);
  EXPECT_EQ(reborn.outbox[0].to, client.address);
  EXPECT_EQ(reborn.outbox[1].to, data.from);
  EXPECT_EQ(reborn.outbox[0].bytes, reborn.outbox[1].bytes);
}

TEST_F(InterfaceTest, StaleDataNeitherMakesLoadNorHidesAClientOfAnEarlierLife) {
  connect();
  client_sends();
  const TestDatagram data = take_one(client);
  TestNode reborn(77, "192.0.2.1:51820", "10.0.0.1", now());
  reborn.configure({.private_key = gateway.private_key, .peers = {gateway.peer_update(client, false)}}, now());
  TestDatagram stale = data;
  for (std::uint32_t i = 0; i < 2000; ++i) {
    store_le32(&stale.bytes[4], 0x12345678 + i / 500);  // a few strangers, each streaming
    reborn.queue(stale, now());
  }
  reborn.queue(data, now());
  reborn.work(now());
  EXPECT_EQ(type_of(take_one(reborn)), MessageType::kHandshakeInitiation);
}

TEST_F(InterfaceTest, OneStreamingClientDoesNotKeepItsNeighbourFromBeingCalled) {
  TestNode second(3, "192.0.2.2:2000", "10.0.0.3", now());  // behind the same NAT
  second.add_peer(gateway, true, now());
  gateway.add_peer(second, false, now());
  connect();
  second.send(make_ipv4("10.0.0.3", "10.0.0.1", {}), now());
  second.expire(now());
  for (int i = 0; i < 3; ++i) {
    for (const TestDatagram& datagram : std::exchange(second.outbox, {})) gateway.receive(datagram, now());
    for (const TestDatagram& datagram : std::exchange(gateway.outbox, {})) second.receive(datagram, now());
  }
  client_sends();
  second.send(make_ipv4("10.0.0.3", "10.0.0.1", {}), now());
  const TestDatagram first_data = take_one(client), second_data = take_one(second);
  TestNode reborn(77, "192.0.2.1:51820", "10.0.0.1", now());
  reborn.configure({.private_key = gateway.private_key,
                    .peers = {gateway.peer_update(client, false), gateway.peer_update(second, false)}},
                   now());
  for (int i = 0; i < 100; ++i) reborn.receive(first_data, now());
  EXPECT_EQ(take_one(reborn).to, client.address);
  reborn.receive(second_data, now());
  EXPECT_EQ(take_one(reborn).to, second.address);
}

TEST_F(InterfaceTest, PeerThatWasRemovedAndAddedAgainIsCalledAtOnce) {
  clock.advance(24h);
  connect();
  gateway.configure({.peers = {{.public_key = client.public_key, .remove = true}}}, now());
  client_sends();
  gateway.receive(take_one(client), now());
  EXPECT_TRUE(gateway.outbox.empty());
  gateway.add_peer(client, false, now());
  client_sends();
  EXPECT_EQ(gateway.receive(take_one(client), now()).verdict, InVerdict::kHandshakeQueued);
  EXPECT_EQ(type_of(take_one(gateway)), MessageType::kHandshakeInitiation);
}

TEST_F(InterfaceTest, NewcomersAreForgottenAfter180Seconds) {
  connect();
  advance(10s);
  exchange();  // the gateway's keepalive
  clock.advance(90s);
  client_sends();
  const TestDatagram data = take_one(client);
  gateway.actions.clear();
  gateway.interface.set_up(false, now(), gateway.actions);  // forgets the session
  gateway.interface.set_up(true, now(), gateway.actions);
  clock.advance(80s);
  EXPECT_EQ(gateway.queue(data, now()).verdict, InVerdict::kDropped);
  // One that comes later opens the door for itself, not for the others.
  TestNode newcomer(9, "192.0.2.9:1", "10.0.0.9", now());
  gateway.add_peer(newcomer, false, now());
  EXPECT_EQ(gateway.receive(data, now()).verdict, InVerdict::kHandshakeQueued);
  EXPECT_TRUE(gateway.outbox.empty());
}

TEST_F(InterfaceTest, RandomIndicesInTheFirstMinutesAreMetWithSilence) {
  for (int i = 0; i < 2000; ++i) {
    TestDatagram random{*Endpoint::parse("198.51.100.1:1"), gateway.address, Bytes(32), 0};
    client.random.fill(random.bytes);
    store_le32(random.bytes.data(), 4);
    gateway.receive(random, now());
  }
  EXPECT_LE(gateway.outbox.size(), 1u);  // one peer of 2^20 tags
}

TEST_F(InterfaceTest, CallsToClientsOfAnEarlierLifeTakePartInTheBudget) {
  TestNode second(3, "192.0.2.3:2000", "10.0.0.3", now());
  second.add_peer(gateway, true, now());
  gateway.add_peer(second, false, now());
  connect();
  second.send(make_ipv4("10.0.0.3", "10.0.0.1", {}), now());
  second.expire(now());
  gateway.receive(take_one(second), now());
  second.receive(take_one(gateway), now());
  const TestDatagram second_data = take_one(second);
  client_sends();
  const TestDatagram first_data = take_one(client);
  TestNode reborn(77, "192.0.2.1:51820", "10.0.0.1", now());
  reborn.configure({.private_key = gateway.private_key,
                    .peers = {gateway.peer_update(client, false), gateway.peer_update(second, false)}},
                   now());
  reborn.queue(first_data, now());
  reborn.queue(second_data, now());
  reborn.actions.clear();
  EXPECT_EQ(reborn.interface.process_handshakes(1, now(), reborn.actions), 1u);
  EXPECT_EQ(reborn.actions.datagram_count(), 1u);
  EXPECT_EQ(reborn.interface.process_handshakes(1, now(), reborn.actions), 0u);
  EXPECT_EQ(reborn.actions.datagram_count(), 2u);
}

/// The gateway's life is new: it has forgotten every session.
class CallTest : public InterfaceTest {
 protected:
  /// A data packet of the session that the gateway's earlier life had with `peer`.
  TestDatagram forgotten_data(const PublicKey& peer, const Endpoint& from) const {
    const SessionIndex indices(gateway.private_key);
    TestDatagram data{from, gateway.address, Bytes(kMinDataMessageSize), 0};
    store_le32(&data.bytes[0], 4);
    store_le32(&data.bytes[4], indices.index(indices.tag(peer), 0));
    return data;
  }
};

TEST_F(CallTest, NobodyIsCalledUnderLoad) {
  const TestDatagram data = forgotten_data(client.public_key, client.address);
  put_under_load(gateway);
  gateway.receive(data, now());
  EXPECT_TRUE(gateway.outbox.empty());
  clock.advance(1s);
  gateway.receive(data, now());
  EXPECT_EQ(type_of(take_one(gateway)), MessageType::kHandshakeInitiation);
}

TEST_F(CallTest, OneAddressIsCalledFiveTimesAndKeepsNoOtherOut) {
  InterfaceUpdate update;
  for (int i = 0; i < 6; ++i) client.random.fill(update.peers.emplace_back().public_key.bytes);
  gateway.configure(update, now());
  const Endpoint shared = *Endpoint::parse("198.51.100.1:1");
  for (const PeerUpdate& peer : update.peers) gateway.receive(forgotten_data(peer.public_key, shared), now());
  EXPECT_EQ(gateway.outbox.size(), 5u);
  EXPECT_EQ(gateway.drops(DropReason::kRateLimited), 1u);
  gateway.receive(forgotten_data(update.peers.back().public_key, *Endpoint::parse("198.51.100.2:1")), now());
  EXPECT_EQ(gateway.outbox.size(), 6u);
}

TEST_F(CallTest, SixtyFourIndicesWaitAndNoMore) {
  TestDatagram data = forgotten_data(client.public_key, client.address);
  for (std::uint32_t i = 0; i < 65; ++i) {
    store_le32(&data.bytes[4], i);
    EXPECT_EQ(gateway.queue(data, now()).verdict, i < 64 ? InVerdict::kHandshakeQueued : InVerdict::kDropped) << i;
  }
}

}  // namespace
}  // namespace vpn::engine::protocol
