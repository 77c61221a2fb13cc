// Who may begin a session and how: initiations, responses, retries, cookies, and what a forger gets.
#include <set>

#include "engine/protocol/test_interface.h"

namespace vpn::engine::protocol {
namespace {

TEST_F(InterfaceTest, HandshakeThenStagedPacketThenBothWays) {
  EXPECT_EQ(client.send(to_gateway(), now()).verdict, OutVerdict::kStaged);
  client.expire(now());
  const TestDatagram initiation = take_one(client);
  EXPECT_EQ(type_of(initiation), MessageType::kHandshakeInitiation);
  EXPECT_EQ(initiation.traffic_class, 0x88);
  EXPECT_EQ(gateway.receive(initiation, now()).verdict, InVerdict::kHandshakeQueued);
  const TestDatagram response = take_one(gateway);
  EXPECT_EQ(type_of(response), MessageType::kHandshakeResponse);
  EXPECT_EQ(response.traffic_class, 0x88);
  client.receive(response, now());
  const TestDatagram data = take_one(client);  // row 11: the staged packet is the confirmation, no keepalive beside it
  EXPECT_EQ(type_of(data), MessageType::kData);
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
  std::set<std::chrono::nanoseconds> gaps;
  for (int retry = 0; retry < 8; ++retry) {
    client.outbox.clear();
    const std::chrono::nanoseconds gap = client.interface.next_deadline() - now().boot;
    EXPECT_GE(gap, 5s);
    EXPECT_LT(gap, 5s + kRekeyTimeoutJitterMax);
    gaps.insert(gap);
    advance(gap);
    EXPECT_EQ(type_of(take_one(client)), MessageType::kHandshakeInitiation);
  }
  EXPECT_GT(gaps.size(), 1u);
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
  EXPECT_EQ(type_of(reply), MessageType::kCookieReply);
  EXPECT_EQ(reply.traffic_class, 0);
  client.receive(reply, now());
  EXPECT_TRUE(client.outbox.empty());
  clock.advance(5400ms);
  client.expire(now());
  const TestDatagram retry = take_one(client);
  EXPECT_NE(Bytes(retry.bytes.end() - 16, retry.bytes.end()), Bytes(16, 0));  // mac2
  put_under_load(gateway);
  gateway.receive(retry, now());
  EXPECT_EQ(type_of(take_one(gateway)), MessageType::kHandshakeResponse);
}

TEST_F(InterfaceTest, UnderLoadAResponseIsAnsweredWithACookieToo) {
  client_sends();
  gateway.receive(take_one(client), now());
  put_under_load(client);
  client.receive(take_one(gateway), now());
  const TestDatagram reply = take_one(client);
  EXPECT_EQ(type_of(reply), MessageType::kCookieReply);
  gateway.receive(reply, now());
  clock.advance(5400ms);
  client.expire(now());
  gateway.receive(take_one(client), now());
  put_under_load(client);
  client.receive(take_one(gateway), now());
  EXPECT_EQ(gateway.receive(take_one(client), now()).verdict, InVerdict::kDeliver);
}

TEST_F(InterfaceTest, DoesNotRoamOnACookieReply) {
  client_sends();
  put_under_load(gateway);
  gateway.receive(take_one(client), now());
  TestDatagram reply = take_one(gateway);
  reply.from = *Endpoint::parse("198.51.100.7:4242");
  client.receive(reply, now());
  clock.advance(5400ms);
  client.expire(now());
  const TestDatagram retry = take_one(client);
  EXPECT_NE(Bytes(retry.bytes.end() - 16, retry.bytes.end()), Bytes(16, 0));  // the cookie was taken
  EXPECT_EQ(retry.to, gateway.address);
}

// Row 17: under load, by the address that a cookie has proven.
TEST_F(InterfaceTest, UnderLoadOneAddressBeginsFiveHandshakesAndKeepsNoOtherOut) {
  CookieGenerator cookie(gateway.public_key);
  const auto stranger_calls = [&] {
    HandshakeInitiation message;
    client.random.fill(message.ephemeral);
    cookie.add_macs(mutable_bytes_of(message), now().boot);
    const ByteView bytes = bytes_of(message);
    gateway.receive({*Endpoint::parse("198.51.100.1:1"), gateway.address, Bytes(bytes.begin(), bytes.end()), 0}, now());
  };
  put_under_load(gateway);
  stranger_calls();
  ASSERT_TRUE(cookie.consume(read<CookieReply>(take_one(gateway).bytes), now().boot));
  client_sends();
  gateway.receive(take_one(client), now());
  client.receive(take_one(gateway), now());
  clock.advance(5400ms);
  client.expire(now());
  put_under_load(gateway);
  for (int i = 0; i < 5; ++i) stranger_calls();
  EXPECT_EQ(gateway.drops(DropReason::kInvalidHandshake), 5u);  // taken, and read
  stranger_calls();
  EXPECT_EQ(gateway.drops(DropReason::kInvalidHandshake), 5u);
  EXPECT_EQ(gateway.drops(DropReason::kRateLimited), 1u);
  gateway.receive(take_one(client), now());
  EXPECT_EQ(type_of(take_one(gateway)), MessageType::kHandshakeResponse);
}

// Row 9: a peer's second session draws the number of its first.
TEST_F(InterfaceTest, AnIndexInUseIsNotGivenAgain) {
  connect();
  gateway_sends();
  const TestDatagram data = take_one(gateway);
  client.receive(data, now());
  const SessionIndex indices(client.private_key);
  const auto [tag, number] = indices.open(load_le32(&data.bytes[4]));
  clock.advance(121s);
  client.random.numbers = {number, number, number + 1};
  client_sends();
  ASSERT_EQ(client.outbox.size(), 2u);
  EXPECT_EQ(read<HandshakeInitiation>(client.outbox[1].bytes).sender_index, indices.index(tag, number + 1));
  gateway.receive(client.outbox[0], now());
  gateway_sends();
  EXPECT_EQ(client.receive(take_one(gateway), now()).verdict, InVerdict::kDeliver);  // the first session goes on
}

TEST_F(InterfaceTest, GarbageDoesNotUseUpTheHandshakesTurn) {
  for (int i = 0; i < 200; ++i) gateway.queue(garbage(gateway), now());
  client_sends();
  gateway.queue(take_one(client), now());
  gateway.actions.clear();
  EXPECT_EQ(gateway.interface.process_handshakes(4, now(), gateway.actions), 0u);
  EXPECT_EQ(gateway.actions.datagram_count(), 1u);
}

TEST_F(InterfaceTest, HandshakeQueueIsBounded) {
  for (std::size_t i = 0; i < kMaxQueuedHandshakes; ++i) gateway.queue(garbage(gateway), now());
  EXPECT_EQ(gateway.queue(garbage(gateway), now()).reason, DropReason::kHandshakeQueueFull);
  gateway.work(now());
  EXPECT_EQ(gateway.drops(DropReason::kInvalidMac1), kMaxQueuedHandshakes);
}

}  // namespace
}  // namespace vpn::engine::protocol
