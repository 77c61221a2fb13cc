// Several gateways with one key: a client whose session was with one of them is called by another (docs/adr/0006).
#include "engine/protocol/test_interface.h"

namespace vpn::engine::protocol {
namespace {

/// `gateway` is one replica, `other` the second; neither knows where the client is.
class ReplicaTest : public InterfaceTest {
 protected:
  ReplicaTest() {
    gateway.configure({.has_replicas = true}, now());
    other.configure(
        {.private_key = gateway.private_key, .has_replicas = true, .peers = {gateway.peer_update(client, false)}},
        now());
  }

  /// The client's packets go to `other` from here on.
  void exchange_with_other() {
    while (!client.outbox.empty() || !other.outbox.empty()) {
      for (const TestDatagram& datagram : std::exchange(client.outbox, {})) other.receive(datagram, now());
      for (const TestDatagram& datagram : std::exchange(other.outbox, {})) client.receive(datagram, now());
      client.expire(now());
      other.expire(now());
    }
  }

  TestNode other{77, "192.0.2.1:51820", "10.0.0.1", {clock.now(), clock.wall_now()}};
};

TEST_F(ReplicaTest, ClientOfAReplicaThatIsGoneIsCalledHoweverLongAgoItWasAdded) {
  clock.advance(24h);
  connect();
  clock.advance(1s);
  client_sends();
  exchange_with_other();
  EXPECT_TRUE(other.delivered.empty());  // the packet that named the client is lost
  client_sends();
  exchange_with_other();
  EXPECT_EQ(other.delivered.size(), 1u);
}

TEST_F(ReplicaTest, ClientThatLeftForAReplicaThatIsGoneIsCalledBack) {
  client_sends();
  exchange_with_other();
  ASSERT_EQ(other.delivered.size(), 1u);
  clock.advance(60s);  // the session with `other` would serve for two minutes more
  client.interface.set_up(false, now(), client.actions);
  client.interface.set_up(true, now(), client.actions);
  connect();
  clock.advance(1s);
  client_sends();
  exchange_with_other();
  client_sends();
  exchange_with_other();
  EXPECT_EQ(other.delivered.size(), 2u);
}

TEST_F(ReplicaTest, StrangersAreStillMetWithSilence) {
  clock.advance(24h);
  for (std::uint32_t i = 0; i < 2000; ++i) {
    TestDatagram guess{*Endpoint::parse("198.51.100.1:1"), other.address, Bytes(32), 0};
    client.random.fill(guess.bytes);
    store_le32(guess.bytes.data(), 4);
    other.receive(guess, now());
  }
  EXPECT_LE(other.outbox.size(), 1u);  // one peer of 2^20 tags
}

TEST_F(ReplicaTest, OneAloneIsSilentAgainAfter180Seconds) {
  clock.advance(24h);
  connect();
  client_sends();
  const TestDatagram data = take_one(client);
  other.configure({.has_replicas = false}, now());
  other.receive(data, now());
  EXPECT_TRUE(other.outbox.empty());
}

TEST_F(ReplicaTest, PeersThatComeBeforeTheKeyAndTheSwitchCountToo) {
  clock.advance(24h);
  connect();
  TestNode late(78, "192.0.2.1:51820", "10.0.0.1", now());
  late.configure({.private_key = PrivateKey()}, now());
  late.configure({.peers = {gateway.peer_update(client, false)}}, now());
  clock.advance(1h);
  connect();
  client_sends();
  const TestDatagram data = take_one(client);
  late.configure({.private_key = gateway.private_key}, now());
  late.receive(data, now());
  EXPECT_TRUE(late.outbox.empty());
  late.configure({.has_replicas = true}, now());
  late.receive(data, now());
  EXPECT_EQ(late.outbox.size(), 1u);
}

// Row 19: what was tried in vain before a session counts no more after it.
TEST_F(ReplicaTest, CallIsRepeatedHoweverManyWereInVainBeforeTheLastSession) {
  gateway.configure({.peers = {gateway.peer_update(client, true)}}, now());
  gateway_sends();
  for (int i = 0; i < 120; ++i) {
    clock.advance(1s);
    gateway.expire(now());
  }
  EXPECT_EQ(gateway.outbox.size(), 20u);
  gateway.outbox.clear();
  connect();
  clock.advance(6s);
  const SessionIndex indices(gateway.private_key);
  TestDatagram data{client.address, gateway.address, Bytes(kMinDataMessageSize), 0};
  store_le32(&data.bytes[0], 4);
  std::uint32_t number = 0;
  do {
    store_le32(&data.bytes[4], indices.index(indices.tag(client.public_key), number++));
  } while (gateway.queue(data, now()).verdict != InVerdict::kHandshakeQueued);
  gateway.work(now());
  EXPECT_EQ(type_of(take_one(gateway)), MessageType::kHandshakeInitiation);
  clock.advance(5400ms);
  gateway.expire(now());
  ASSERT_FALSE(gateway.outbox.empty());
  EXPECT_EQ(type_of(gateway.outbox.back()), MessageType::kHandshakeInitiation);
}

}  // namespace
}  // namespace vpn::engine::protocol
