// The checklist of the protocol, row by row, on two interfaces that hand each other datagrams.
#include "engine/protocol/interface.h"

#include <gtest/gtest.h>

#include "engine/protocol/test_node.h"

namespace vpn::engine::protocol {
namespace {

using InVerdict = InboundDatagram::Verdict;
using OutVerdict = OutboundPacket::Verdict;

constexpr auto kType = [](const TestDatagram& datagram) { return *classify(datagram.bytes); };

/// A client that knows the gateway's endpoint, and a gateway that does not know the client's.
class InterfaceTest : public testing::Test {
 protected:
  InterfaceTest() {
    client.add_peer(gateway, true, now());
    gateway.add_peer(client, false, now());
  }

  Moment now() const { return {clock.now(), clock.wall_now()}; }
  void advance(std::chrono::nanoseconds by) {
    clock.advance(by);
    client.expire(now());
    gateway.expire(now());
  }
  Bytes to_gateway(std::size_t payload = 100) const { return make_ipv4("10.0.0.2", "10.0.0.1", Bytes(payload, 7)); }
  Bytes to_client(std::size_t payload = 100) const { return make_ipv4("10.0.0.1", "10.0.0.2", Bytes(payload, 9)); }

  /// Carries every datagram to its end until both are silent.
  void exchange() {
    while (!client.outbox.empty() || !gateway.outbox.empty()) {
      for (const TestDatagram& datagram : std::exchange(client.outbox, {})) {
        if (datagram.to == gateway.address) gateway.receive(datagram, now());
      }
      for (const TestDatagram& datagram : std::exchange(gateway.outbox, {})) {
        if (datagram.to == client.address) client.receive(datagram, now());
      }
      client.expire(now());
      gateway.expire(now());
    }
  }
  void client_sends(std::size_t payload = 100) {
    client.send(to_gateway(payload), now());
    client.expire(now());
  }
  void gateway_sends() {
    gateway.send(to_client(), now());
    gateway.expire(now());
  }
  void connect() {
    client_sends();
    exchange();
    ASSERT_EQ(gateway.delivered.size(), 1u);
    gateway.delivered.clear();
  }
  TestDatagram take_one(TestNode& node) {
    EXPECT_EQ(node.outbox.size(), 1u);
    TestDatagram datagram = node.outbox.at(0);
    node.outbox.clear();
    return datagram;
  }

  ManualClock clock;
  TestNode client{1, "192.0.2.2:1000", "10.0.0.2", {clock.now(), clock.wall_now()}};
  TestNode gateway{2, "192.0.2.1:51820", "10.0.0.1", {clock.now(), clock.wall_now()}};
};

TEST_F(InterfaceTest, HandshakeThenStagedPacketThenBothWays) {
  EXPECT_EQ(client.send(to_gateway(), now()).verdict, OutVerdict::kStaged);
  client.expire(now());
  const TestDatagram initiation = take_one(client);
  EXPECT_EQ(kType(initiation), MessageType::kHandshakeInitiation);
  EXPECT_EQ(initiation.traffic_class, 0x88);
  EXPECT_EQ(gateway.receive(initiation, now()).verdict, InVerdict::kHandshakeQueued);
  const TestDatagram response = take_one(gateway);
  EXPECT_EQ(kType(response), MessageType::kHandshakeResponse);
  client.receive(response, now());
  const TestDatagram data = take_one(client);  // row 11: the staged packet is the confirmation, no keepalive beside it
  EXPECT_EQ(kType(data), MessageType::kData);
  EXPECT_EQ(gateway.receive(data, now()).verdict, InVerdict::kDeliver);
  EXPECT_EQ(gateway.delivered.at(0), to_gateway());
  EXPECT_EQ(gateway.send(to_client(), now()).verdict, OutVerdict::kSend);
  EXPECT_EQ(client.receive(take_one(gateway), now()).verdict, InVerdict::kDeliver);
  EXPECT_EQ(client.delivered.at(0), to_client());
}

TEST_F(InterfaceTest, InitiatorWithNothingStagedSendsAKeepalive) {
  InterfaceUpdate update;
  update.peers.push_back({.public_key = gateway.public_key, .persistent_keepalive_s = 25});
  client.configure(update, now());  // row 25: sent at once when switched on
  client.expire(now());
  gateway.receive(take_one(client), now());
  client.receive(take_one(gateway), now());
  EXPECT_EQ(gateway.receive(take_one(client), now()).verdict, InVerdict::kKeepalive);
}

TEST_F(InterfaceTest, ResponderSendsOnlyAfterTheFirstDataPacket) {
  client_sends();
  gateway.receive(take_one(client), now());
  const TestDatagram response = take_one(gateway);
  EXPECT_EQ(gateway.send(to_client(), now()).verdict, OutVerdict::kStaged);
  gateway.expire(now());
  EXPECT_TRUE(gateway.outbox.empty());  // it has just sent a response: no initiation of its own within 5 s
  client.receive(response, now());
  gateway.receive(take_one(client), now());
  EXPECT_EQ(client.receive(take_one(gateway), now()).verdict, InVerdict::kDeliver);
}

TEST_F(InterfaceTest, ReplayedDatagramIsDroppedOnce) {
  connect();
  client_sends();
  const TestDatagram data = take_one(client);
  EXPECT_EQ(gateway.receive(data, now()).verdict, InVerdict::kDeliver);
  EXPECT_EQ(gateway.receive(data, now()).reason, DropReason::kReplayed);
}

TEST_F(InterfaceTest, EveryFlippedBitOfADataPacketIsRefused) {
  connect();
  client_sends(1);
  const TestDatagram data = take_one(client);
  for (std::size_t bit = 0; bit < data.bytes.size() * 8; ++bit) {
    TestDatagram flipped = data;
    flipped.bytes[bit / 8] = static_cast<std::uint8_t>(flipped.bytes[bit / 8] ^ (1u << (bit % 8)));
    EXPECT_EQ(gateway.receive(flipped, now()).verdict == InVerdict::kDeliver, false) << bit;
  }
  EXPECT_EQ(gateway.receive(data, now()).verdict, InVerdict::kDeliver);
}

TEST_F(InterfaceTest, TruncatedAndFlippedHandshakesChangeNothing) {
  client_sends();
  const TestDatagram initiation = take_one(client);
  for (std::size_t size = 0; size < initiation.bytes.size(); ++size) {
    TestDatagram cut = initiation;
    cut.bytes.resize(size);
    EXPECT_EQ(gateway.receive(cut, now()).verdict, InVerdict::kDropped) << size;
  }
  for (std::size_t bit = 0; bit < (initiation.bytes.size() - 16) * 8; bit += 5) {  // mac2 is not looked at without load
    TestDatagram flipped = initiation;
    flipped.bytes[bit / 8] = static_cast<std::uint8_t>(flipped.bytes[bit / 8] ^ (1u << (bit % 8)));
    gateway.receive(flipped, now());
  }
  EXPECT_TRUE(gateway.outbox.empty());
  EXPECT_EQ(gateway.interface.session_count(), 0u);
  gateway.receive(initiation, now());
  const TestDatagram response = take_one(gateway);
  for (std::size_t bit = 0; bit < (response.bytes.size() - 16) * 8; bit += 5) {
    TestDatagram flipped = response;
    flipped.bytes[bit / 8] = static_cast<std::uint8_t>(flipped.bytes[bit / 8] ^ (1u << (bit % 8)));
    client.receive(flipped, now());
  }
  EXPECT_TRUE(client.outbox.empty());
  client.receive(response, now());
  EXPECT_EQ(gateway.receive(take_one(client), now()).verdict, InVerdict::kDeliver);
}

TEST_F(InterfaceTest, ReplayedInitiationIsRefused) {
  client_sends();
  const TestDatagram initiation = take_one(client);
  gateway.receive(initiation, now());
  gateway.outbox.clear();
  advance(1s);
  gateway.receive(initiation, now());
  EXPECT_TRUE(gateway.outbox.empty());
  EXPECT_EQ(gateway.drops(DropReason::kReplayedInitiation), 1u);
}

TEST_F(InterfaceTest, ResponseIsTakenOnce) {
  client_sends();
  gateway.receive(take_one(client), now());
  const TestDatagram response = take_one(gateway);
  client.receive(response, now());
  client.outbox.clear();
  client.receive(response, now());
  EXPECT_TRUE(client.outbox.empty());
  EXPECT_EQ(client.drops(DropReason::kUnknownIndex), 1u);
}

TEST_F(InterfaceTest, LateResponseIsStillTaken) {
  client_sends();
  gateway.receive(take_one(client), now());
  const TestDatagram response = take_one(gateway);
  clock.advance(4s);
  client.receive(response, now());
  EXPECT_EQ(gateway.receive(take_one(client), now()).verdict, InVerdict::kDeliver);
}

TEST_F(InterfaceTest, AtMostOneInitiationInFiveSeconds) {
  for (int i = 0; i < 50; ++i) {
    client_sends();
    clock.advance(90ms);
  }
  EXPECT_EQ(client.outbox.size(), 1u);
}

TEST_F(InterfaceTest, InitiatorGivesUpAfterNinetySecondsAndPurges) {
  client_sends();
  for (int i = 0; i < 1200; ++i) advance(100ms);
  EXPECT_EQ(client.outbox.size(), 20u);  // as many as the kernel: the first, and 19 retries
  client.outbox.clear();
  // What waited is gone: a session that comes later carries a keepalive alone.
  gateway.configure({.peers = {gateway.peer_update(client, true)}}, now());
  gateway_sends();
  exchange();
  EXPECT_TRUE(gateway.delivered.empty());
  EXPECT_EQ(client.delivered.size(), 1u);
}

TEST_F(InterfaceTest, RetriesAreFiveSecondsApartPlusJitter) {
  client_sends();
  clock.advance(4999ms);
  client.expire(now());
  EXPECT_EQ(client.outbox.size(), 1u);
  clock.advance(335ms);
  client.expire(now());
  EXPECT_EQ(client.outbox.size(), 2u);
}

TEST_F(InterfaceTest, InitiatorRekeysOnSendAfter120Seconds) {
  connect();
  for (int i = 0; i < 119; ++i) {
    advance(1s);
    client_sends();
    EXPECT_EQ(kType(client.outbox.back()), MessageType::kData) << i;
    exchange();
  }
  gateway.delivered.clear();
  advance(1s);
  EXPECT_EQ(client.send(to_gateway(), now()).verdict, OutVerdict::kSend);  // the old session goes on meanwhile
  client.expire(now());
  ASSERT_EQ(client.outbox.size(), 2u);
  EXPECT_EQ(kType(client.outbox[1]), MessageType::kHandshakeInitiation);
  exchange();
  EXPECT_EQ(gateway.delivered.size(), 1u);
}

TEST_F(InterfaceTest, ResponderDoesNotRekeyByTime) {
  connect();
  for (int i = 0; i < 160; ++i) {
    advance(1s);
    gateway_sends();
    for (const TestDatagram& datagram : gateway.outbox) EXPECT_EQ(kType(datagram), MessageType::kData) << i;
    exchange();  // the client answers with keepalives
  }
}

TEST_F(InterfaceTest, ReceivingInitiatorRekeysOnceAfter165Seconds) {
  connect();
  for (int i = 0; i < 20; ++i) {
    advance(1s);
    exchange();
  }
  const auto gateway_packet_arrives = [this] {
    gateway_sends();
    client.receive(take_one(gateway), now());
  };
  clock.advance(144s);
  gateway_packet_arrives();
  EXPECT_TRUE(client.outbox.empty());
  clock.advance(1s);
  gateway_packet_arrives();
  EXPECT_EQ(kType(take_one(client)), MessageType::kHandshakeInitiation);
  clock.advance(1s);
  gateway_packet_arrives();
  EXPECT_TRUE(client.outbox.empty());
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
}

TEST_F(InterfaceTest, NewHandshakeAfterFifteenSecondsWithoutAnAnswer) {
  connect();
  client_sends();
  client.outbox.clear();
  advance(14999ms);
  EXPECT_TRUE(client.outbox.empty());
  advance(335ms);
  EXPECT_EQ(kType(take_one(client)), MessageType::kHandshakeInitiation);
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

TEST_F(InterfaceTest, RefusesAnInnerSourceOfAnotherPeer) {
  connect();
  client.send(make_ipv4("10.0.0.3", "10.0.0.1", {}), now());
  EXPECT_EQ(gateway.receive(take_one(client), now()).reason, DropReason::kSourceNotAllowed);
}

TEST_F(InterfaceTest, RefusesAnInnerPacketShorterThanItSays) {
  connect();
  Bytes lying = to_gateway();
  store_be16(&lying[2], static_cast<std::uint16_t>(lying.size() + 50));
  client.send(lying, now());
  EXPECT_EQ(gateway.receive(take_one(client), now()).reason, DropReason::kMalformedInner);
  Bytes no_ip = to_gateway();
  no_ip[0] = 0x55;
  EXPECT_EQ(client.send(no_ip, now()).reason, DropReason::kMalformedInner);
}

TEST_F(InterfaceTest, TrimsThePaddingToTheInnerLength) {
  connect();
  for (std::size_t payload = 0; payload < 40; ++payload) {
    client_sends(payload);
    const TestDatagram data = take_one(client);
    EXPECT_EQ(data.bytes.size() % 16, 0u);
    gateway.receive(data, now());
    EXPECT_EQ(gateway.delivered.back(), to_gateway(payload));
  }
}

TEST_F(InterfaceTest, PadsNeverBeyondTheMtu) {
  connect();
  client.interface.set_mtu(1299);
  client_sends(1299 - 20);
  EXPECT_EQ(take_one(client).bytes.size(), 1299u + 32);
  client_sends(1290 - 20);
  EXPECT_EQ(take_one(client).bytes.size(), 1296u + 32);
  client_sends(1297 - 20);
  EXPECT_EQ(take_one(client).bytes.size(), 1299u + 32);
}

TEST_F(InterfaceTest, CarriesEcnOutAndIn) {
  connect();
  client.send(make_ipv4("10.0.0.2", "10.0.0.1", {}, 0xb8 | 2), now());  // DSCP EF, ECT(0)
  TestDatagram data = take_one(client);
  EXPECT_EQ(data.traffic_class, 2);  // DSCP 0
  data.traffic_class = 3;            // a router met congestion
  gateway.receive(data, now());
  EXPECT_EQ(gateway.delivered.back()[1], 0xb8 | 3);
}

TEST_F(InterfaceTest, KeepsTheNewest128StagedPackets) {
  for (std::size_t i = 0; i < 130; ++i) EXPECT_EQ(client.send(to_gateway(i), now()).verdict, OutVerdict::kStaged);
  EXPECT_EQ(client.drops(DropReason::kStagedFull), 2u);
  client.expire(now());
  exchange();
  ASSERT_EQ(gateway.delivered.size(), 128u);
  EXPECT_EQ(gateway.delivered.front(), to_gateway(2));
  EXPECT_EQ(gateway.delivered.back(), to_gateway(129));
}

TEST_F(InterfaceTest, BoundsWhatAllPeersStageTogether) {
  InterfaceUpdate update;
  for (std::uint32_t i = 0; i < 200; ++i) {
    PeerUpdate peer;
    client.random.fill(peer.public_key.bytes);
    peer.endpoint = gateway.address;
    peer.allowed_ips.push_back({{IpAddress::v4(0x0a010000 + i), 32}});
    update.peers.push_back(peer);
  }
  client.configure(update, now());
  std::size_t staged = 0;
  for (std::uint32_t i = 0; i < 200; ++i) {
    const std::string to = to_string(IpAddress::v4(0x0a010000 + i));
    for (int k = 0; k < 100; ++k) {
      const auto packet = client.send(make_ipv4("10.0.0.2", to.c_str(), Bytes(1380)), now());
      if (packet.verdict == OutVerdict::kStaged) staged += 1400;
      if (packet.verdict == OutVerdict::kDropped) {
        EXPECT_EQ(packet.reason, DropReason::kStagedFull);
      }
    }
  }
  EXPECT_LE(staged, kMaxStagedBytes);
  EXPECT_GT(staged, kMaxStagedBytes - 2000);
}

TEST_F(InterfaceTest, SaysWhyThereIsNoWay) {
  EXPECT_EQ(client.send(make_ipv4("10.0.0.2", "10.9.9.9", {}), now()).reason, DropReason::kNoPeer);
  EXPECT_EQ(gateway.send(to_client(), now()).reason, DropReason::kNoEndpoint);
}

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
  EXPECT_EQ(kType(take_one(late)), MessageType::kHandshakeInitiation);
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

TEST_F(InterfaceTest, UnderLoadAnswersWithACookieAndTakesTheRetry) {
  // Six hundred initiations of unknown keys, their macs right, fill the queue.
  for (int i = 0; i < 600; ++i) {
    TestDatagram flood{*Endpoint::parse("198.51.100.1:1"), gateway.address, Bytes(sizeof(HandshakeInitiation)), 0};
    HandshakeInitiation message;
    client.random.fill(message.ephemeral);
    CookieGenerator(gateway.public_key).add_macs(mutable_bytes_of(message), now().boot);
    std::memcpy(flood.bytes.data(), &message, sizeof message);
    EXPECT_EQ(gateway.queue(flood, now()).verdict, InVerdict::kHandshakeQueued);
  }
  gateway.work(now());
  EXPECT_GT(gateway.drops(DropReason::kCookieRequired), 80u);
  gateway.outbox.clear();

  clock.advance(500ms);
  client_sends();
  gateway.receive(take_one(client), now());  // the load is sticky for a second
  const TestDatagram reply = take_one(gateway);
  EXPECT_EQ(kType(reply), MessageType::kCookieReply);
  client.receive(reply, now());
  EXPECT_TRUE(client.outbox.empty());
  clock.advance(5400ms);
  client.expire(now());
  const TestDatagram retry = take_one(client);
  for (int i = 0; i < 600; ++i)
    gateway.queue({retry.from, gateway.address, Bytes(sizeof(HandshakeResponse), 2), 0}, now());
  EXPECT_NE(Bytes(retry.bytes.end() - 16, retry.bytes.end()), Bytes(16, 0));  // mac2
  exchange();
  gateway.receive(retry, now());
  EXPECT_EQ(kType(take_one(gateway)), MessageType::kHandshakeResponse);
}

TEST_F(InterfaceTest, GarbageDoesNotUseUpTheHandshakesTurn) {
  TestDatagram garbage{*Endpoint::parse("198.51.100.1:1"), gateway.address, Bytes(sizeof(HandshakeInitiation)), 0};
  garbage.bytes[0] = 1;
  for (int i = 0; i < 200; ++i) gateway.queue(garbage, now());
  client_sends();
  gateway.queue(take_one(client), now());
  gateway.actions.clear();
  EXPECT_EQ(gateway.interface.process_handshakes(4, now(), gateway.actions), 0u);
  EXPECT_EQ(gateway.actions.datagram_count(), 1u);
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
  EXPECT_EQ(kType(take_one(reborn)), MessageType::kHandshakeInitiation);
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

TEST_F(InterfaceTest, RemovedClientIsNotToldAsLearned) {
  connect();
  gateway.configure({.peers = {{.public_key = client.public_key, .remove = true}}}, now());
  EXPECT_TRUE(gateway.interface.take_learned_endpoints().empty());
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

TEST_F(InterfaceTest, HandshakeQueueIsBounded) {
  TestDatagram flood{*Endpoint::parse("198.51.100.1:1"), gateway.address, Bytes(sizeof(HandshakeInitiation)), 0};
  flood.bytes[0] = 1;
  for (std::size_t i = 0; i < kMaxQueuedHandshakes; ++i) gateway.queue(flood, now());
  EXPECT_EQ(gateway.queue(flood, now()).reason, DropReason::kHandshakeQueueFull);
  gateway.work(now());
  EXPECT_EQ(gateway.drops(DropReason::kInvalidMac1), kMaxQueuedHandshakes);
}

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
  EXPECT_EQ(kType(initiation), MessageType::kHandshakeInitiation);
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
  EXPECT_EQ(kType(take_one(gateway)), MessageType::kHandshakeInitiation);
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

TEST_F(InterfaceTest, ABatchKeepsItsOrderOverSeveralPeers) {
  TestNode second(3, "192.0.2.3:1000", "10.0.0.3", now());
  second.add_peer(gateway, true, now());
  gateway.add_peer(second, false, now());
  connect();
  second.send(make_ipv4("10.0.0.3", "10.0.0.1", {}), now());
  second.expire(now());
  for (int i = 0; i < 3; ++i) {
    for (const TestDatagram& datagram : std::exchange(second.outbox, {})) gateway.receive(datagram, now());
    for (const TestDatagram& datagram : std::exchange(gateway.outbox, {})) second.receive(datagram, now());
  }

  std::vector<Bytes> buffers;
  std::vector<OutboundPacket> packets;
  for (std::size_t i = 0; i < 150; ++i) {
    const Bytes inner = make_ipv4("10.0.0.1", i % 3 == 0 ? "10.0.0.3" : "10.0.0.2", Bytes(i, 1));
    Bytes& buffer = buffers.emplace_back(kSealHeadroom + inner.size() + kSealTailroom);
    std::copy(inner.begin(), inner.end(), buffer.begin() + kSealHeadroom);
    packets.emplace_back().inner = MutableBytes(buffer).subspan(kSealHeadroom, inner.size());
  }
  gateway.actions.clear();
  gateway.interface.send(packets, now(), gateway.aead, gateway.actions);
  for (std::size_t i = 0; i < packets.size(); ++i) {
    ASSERT_EQ(packets[i].verdict, OutVerdict::kSend);
    TestNode& to = i % 3 == 0 ? second : client;
    EXPECT_EQ(gateway.actions.paths()[packets[i].path].remote, to.address);
    to.receive({gateway.address, to.address, Bytes(packets[i].datagram.begin(), packets[i].datagram.end()), 0}, now());
    ASSERT_FALSE(to.delivered.empty());
    EXPECT_EQ(to.delivered.back().size(), 20 + i);
  }
}

}  // namespace
}  // namespace vpn::engine::protocol
