// The life of a session: rekeys, keepalives, the end of its keys, and the addresses it goes over.
#include <set>

#include "engine/protocol/test_interface.h"

namespace vpn::engine::protocol {
namespace {

TEST_F(InterfaceTest, InitiatorRekeysOnSendAfter120Seconds) {
  connect();
  for (int i = 0; i < 119; ++i) {
    advance(1s);
    client_sends();
    EXPECT_EQ(type_of(client.outbox.back()), MessageType::kData) << i;
    exchange();
  }
  gateway.delivered.clear();
  advance(1s);
  EXPECT_EQ(client.send(to_gateway(), now()).verdict, OutVerdict::kSend);  // the old session goes on meanwhile
  client.expire(now());
  ASSERT_EQ(client.outbox.size(), 2u);
  EXPECT_EQ(type_of(client.outbox[1]), MessageType::kHandshakeInitiation);
  exchange();
  EXPECT_EQ(gateway.delivered.size(), 1u);
}

TEST_F(InterfaceTest, ResponderDoesNotRekeyByTime) {
  connect();
  for (int i = 0; i < 160; ++i) {
    advance(1s);
    gateway_sends();
    for (const TestDatagram& datagram : gateway.outbox) EXPECT_EQ(type_of(datagram), MessageType::kData) << i;
    exchange();  // the client answers with keepalives
  }
}

TEST_F(InterfaceTest, ReceivingInitiatorRekeysOnceAfter165Seconds) {
  const auto gateway_packet_arrives = [this] {
    gateway_sends();
    client.receive(take_one(gateway), now());
  };
  connect();
  for (int session = 0; session < 2; ++session) {  // once in each
    for (int i = 0; i < 20; ++i) {
      advance(1s);
      exchange();
    }
    clock.advance(144s);
    gateway_packet_arrives();
    EXPECT_TRUE(client.outbox.empty());
    clock.advance(1s);
    gateway_packet_arrives();
    const TestDatagram initiation = take_one(client);
    EXPECT_EQ(type_of(initiation), MessageType::kHandshakeInitiation);
    clock.advance(1s);
    gateway_packet_arrives();
    EXPECT_TRUE(client.outbox.empty());
    gateway.receive(initiation, now());
    exchange();
  }
}

TEST_F(InterfaceTest, NothingIsSentOrTakenPast180Seconds) {
  connect();
  client_sends();
  const TestDatagram data = take_one(client);
  clock.advance(180s);
  EXPECT_EQ(gateway.receive(data, now()).reason, DropReason::kSessionExpired);
  EXPECT_EQ(client.send(to_gateway(), now()).verdict, OutVerdict::kStaged);
}

TEST_F(InterfaceTest, KeysAreWipedAfter540Seconds) {
  connect();
  EXPECT_GT(gateway.interface.session_count(), 0u);
  for (int i = 0; i < 539; ++i) {
    advance(1s);
    client.outbox.clear();
    gateway.outbox.clear();
  }
  EXPECT_GT(gateway.interface.session_count(), 0u);
  advance(1s);
  EXPECT_EQ(gateway.interface.session_count(), 0u);
  EXPECT_EQ(client.interface.session_count(), 0u);
  EXPECT_EQ(client.interface.next_deadline(), kNever);
  EXPECT_EQ(gateway.interface.next_deadline(), kNever);
}

TEST_F(InterfaceTest, KeepaliveTenSecondsAfterDataAndNoneAfterAKeepalive) {
  connect();  // the gateway has received data and sent nothing
  client.expire(now());
  advance(9999ms);
  EXPECT_TRUE(gateway.outbox.empty());
  advance(1ms);
  EXPECT_EQ(client.receive(take_one(gateway), now()).verdict, InVerdict::kKeepalive);
  for (int i = 0; i < 100; ++i) advance(1s);
  EXPECT_TRUE(client.outbox.empty());  // keepalives are not answered by keepalives
  EXPECT_TRUE(gateway.outbox.empty());
}

TEST_F(InterfaceTest, NewHandshakeAfterFifteenSecondsWithoutAnAnswer) {
  connect();
  client_sends();
  client.outbox.clear();
  advance(14999ms);
  EXPECT_TRUE(client.outbox.empty());
  advance(335ms);
  EXPECT_EQ(type_of(take_one(client)), MessageType::kHandshakeInitiation);
}

TEST_F(InterfaceTest, NewHandshakeWhenAStagedPacketGetsNoAnswer) {
  client_sends();
  gateway.receive(take_one(client), now());
  client.receive(take_one(gateway), now());
  EXPECT_EQ(type_of(take_one(client)), MessageType::kData);
  advance(14999ms);
  EXPECT_TRUE(client.outbox.empty());
  advance(335ms);
  EXPECT_EQ(type_of(take_one(client)), MessageType::kHandshakeInitiation);
}

// Row 19, 22: data that gets no answer begins another 90 s of attempts.
TEST_F(InterfaceTest, NewHandshakeBeginsItsAttemptsAnew) {
  connect();
  const Instant begun = now().boot;
  const auto runs_to_second = [&](int second) {
    while (now().boot < begun + std::chrono::seconds(second)) {
      clock.advance(100ms);
      client.expire(now());
    }
  };
  runs_to_second(50);  // the gateway is silent: called since 15 s
  client_sends();      // so it is called anew at 65 s, for 90 s more
  runs_to_second(150);
  client.outbox.clear();
  runs_to_second(156);
  EXPECT_FALSE(client.outbox.empty());
  runs_to_second(180);
  client.outbox.clear();
  runs_to_second(300);
  EXPECT_TRUE(client.outbox.empty());
}

TEST_F(InterfaceTest, KeepaliveOfTheInitiatorRekeysAfter120Seconds) {
  connect();
  gateway_sends();
  exchange();
  client.configure({.peers = {{.public_key = gateway.public_key, .persistent_keepalive_s = 121}}}, now());
  client.outbox.clear();
  clock.advance(121s);
  client.expire(now());
  ASSERT_EQ(client.outbox.size(), 2u);
  EXPECT_EQ(client.outbox[0].bytes.size(), kMinDataMessageSize);
  EXPECT_EQ(type_of(client.outbox[1]), MessageType::kHandshakeInitiation);
}

TEST_F(InterfaceTest, PersistentKeepaliveFollowsSilence) {
  connect();
  client.configure({.peers = {{.public_key = gateway.public_key, .persistent_keepalive_s = 5}}}, now());
  EXPECT_EQ(gateway.receive(take_one(client), now()).verdict, InVerdict::kKeepalive);
  advance(4s);
  client_sends();
  client.outbox.clear();
  advance(4s);
  EXPECT_TRUE(client.outbox.empty());
  advance(1s);
  EXPECT_EQ(gateway.receive(take_one(client), now()).verdict, InVerdict::kKeepalive);
}

TEST_F(InterfaceTest, ClientThatLeftIsNotCalledForEver) {
  gateway.configure({.peers = {{.public_key = client.public_key, .persistent_keepalive_s = 25}}}, now());
  connect();
  std::size_t sent = 0;
  for (int i = 0; i < 3000; ++i) {  // the client never answers again
    clock.advance(1s);
    gateway.expire(now());
    sent = i < 500 ? 0 : sent + gateway.outbox.size();
    gateway.outbox.clear();
  }
  EXPECT_EQ(sent, 0u);
  EXPECT_EQ(gateway.interface.next_deadline(), kNever);
}

TEST_F(InterfaceTest, GatewayWhoseAddressWasConfiguredIsCalledForEver) {
  client.configure({.peers = {{.public_key = gateway.public_key, .persistent_keepalive_s = 25}}}, now());
  std::size_t sent = 0;
  for (int i = 0; i < 3000; ++i) {
    clock.advance(1s);
    client.expire(now());
    sent = i < 2900 ? 0 : sent + client.outbox.size();
    client.outbox.clear();
  }
  EXPECT_GT(sent, 5u);
}

TEST_F(InterfaceTest, RoamsOnDataInitiationAndResponse) {
  connect();
  const Endpoint elsewhere = *Endpoint::parse("198.51.100.7:4242");
  client.address = elsewhere;
  client_sends();
  gateway.receive(take_one(client), now());
  gateway_sends();
  EXPECT_EQ(take_one(gateway).to, elsewhere);

  client.address = *Endpoint::parse("[2001:db8::7]:4242");
  clock.advance(181s);
  client_sends();
  TestDatagram initiation = take_one(client);
  gateway.receive(initiation, now());
  TestDatagram response = take_one(gateway);
  EXPECT_EQ(response.to, client.address);

  gateway.address = *Endpoint::parse("203.0.113.9:51820");
  response.from = gateway.address;
  client.receive(response, now());
  EXPECT_EQ(take_one(client).to, gateway.address);
}

TEST_F(InterfaceTest, DoesNotRoamOnAForgedPacket) {
  connect();
  client_sends();
  TestDatagram forged = take_one(client);
  forged.bytes.back() ^= 1;
  forged.from = *Endpoint::parse("198.51.100.7:4242");
  gateway.receive(forged, now());
  gateway_sends();
  EXPECT_EQ(take_one(gateway).to, client.address);
}

TEST_F(InterfaceTest, SourceAddressIsForgottenOnARetryAndWhenTold) {
  connect();
  const auto source = [this] {
    Bytes buffer(kSealHeadroom + 120 + kSealTailroom);
    const Bytes inner = to_client();
    std::copy(inner.begin(), inner.end(), buffer.begin() + kSealHeadroom);
    OutboundPacket packet;
    packet.inner = MutableBytes(buffer).subspan(kSealHeadroom, inner.size());
    gateway.actions.clear();
    gateway.interface.send({&packet, 1}, now(), gateway.aead, gateway.actions);
    return gateway.actions.paths().at(packet.path).local;
  };
  EXPECT_EQ(source(), gateway.address.address);
  gateway.interface.forget_sources();
  EXPECT_FALSE(source());
  client_sends();
  gateway.receive(take_one(client), now());
  EXPECT_EQ(source(), gateway.address.address);
  clock.advance(16s);  // nothing came back: a new handshake, from whatever source there is
  gateway.expire(now());
  EXPECT_FALSE(source());
}

// Row 20, on the responder's side, which sends no initiation: each session waits its own while for an answer.
TEST_F(InterfaceTest, ResponderBeginsAnewAfterFifteenSecondsAndAJitterOfEachSession) {
  std::set<std::chrono::nanoseconds> jitters;
  for (int session = 0; session < 5; ++session) {
    TestNode fresh(100 + static_cast<std::uint64_t>(session), "192.0.2.1:51820", "10.0.0.1", now());
    fresh.configure({.private_key = gateway.private_key, .peers = {gateway.peer_update(client, false)}}, now());
    clock.advance(16s);
    client.interface.set_up(false, now(), client.actions);  // so that it begins a session with this life too
    client.interface.set_up(true, now(), client.actions);
    client_sends();
    fresh.receive(take_one(client), now());
    client.receive(take_one(fresh), now());
    fresh.receive(take_one(client), now());
    const Instant sent = now().boot;
    fresh.send(to_client(), now());
    clock.advance(10s);
    fresh.expire(now());  // the keepalive that the client's data asked for
    const std::chrono::nanoseconds jitter = fresh.interface.next_deadline() - sent - 15s;
    EXPECT_GE(jitter, 0s);
    EXPECT_LE(jitter, kRekeyTimeoutJitterMax);
    jitters.insert(jitter);
  }
  EXPECT_GT(jitters.size(), 1u);
}

}  // namespace
}  // namespace vpn::engine::protocol
