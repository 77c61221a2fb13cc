// Data packets: which pass, what they carry and what becomes of those that have to wait.
#include "engine/protocol/test_interface.h"

namespace vpn::engine::protocol {
namespace {

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

TEST_F(InterfaceTest, CountsBeyondThirtyTwoBits) {
  connect();
  gateway_sends();
  exchange();
  constexpr std::uint64_t kStart = 1ull << 32;
  session_of(client, gateway).next_counter = kStart;
  client_sends();  // by send()
  TestDatagram data = take_one(client);
  EXPECT_EQ(load_le64(&data.bytes[8]), kStart);
  EXPECT_EQ(gateway.receive(data, now()).verdict, InVerdict::kDeliver);
  client.configure({.peers = {{.public_key = gateway.public_key, .persistent_keepalive_s = 25}}}, now());
  data = take_one(client);  // by send_staged()
  EXPECT_EQ(load_le64(&data.bytes[8]), kStart + 1);
  EXPECT_EQ(gateway.receive(data, now()).verdict, InVerdict::kKeepalive);
}

TEST_F(InterfaceTest, NothingIsSentOrTakenPastRejectAfterMessages) {
  connect();
  Keypair& session = session_of(client, gateway);
  const auto arrives_with = [&](std::uint64_t counter) {
    const Bytes inner = to_gateway();
    TestDatagram data{client.address, gateway.address, Bytes(kMinDataMessageSize + inner.size()), 0};
    store_le32(&data.bytes[0], 4);
    store_le32(&data.bytes[4], session.remote_index);
    store_le64(&data.bytes[8], counter);
    crypto::aead_seal(session.sending_key, counter, {}, inner, MutableBytes(data.bytes).subspan(kDataHeaderSize));
    return gateway.receive(data, now());
  };
  EXPECT_EQ(arrives_with(kRejectAfterMessages).reason, DropReason::kReplayed);
  EXPECT_EQ(arrives_with(UINT64_MAX).reason, DropReason::kReplayed);
  EXPECT_EQ(arrives_with(kRejectAfterMessages - 1).verdict, InVerdict::kDeliver);
  session.next_counter = kRejectAfterMessages;
  EXPECT_EQ(client.send(to_gateway(), now()).verdict, OutVerdict::kStaged);
}

TEST_F(InterfaceTest, PadsWithZeros) {
  const auto carried_by = [this](const TestDatagram& data) {
    Bytes inner(data.bytes.size() - kMinDataMessageSize);
    EXPECT_TRUE(crypto::aead_open(session_of(client, gateway).sending_key, load_le64(&data.bytes[8]), {},
                                  ByteView(data.bytes).subspan(kDataHeaderSize), inner));
    return inner;
  };
  Bytes padded = to_gateway(101);
  padded.resize(128);
  client_sends(101);
  gateway.receive(take_one(client), now());
  client.receive(take_one(gateway), now());
  EXPECT_EQ(carried_by(take_one(client)), padded);  // by send_staged()
  client_sends(101);
  EXPECT_EQ(carried_by(take_one(client)), padded);  // by send()
}

}  // namespace
}  // namespace vpn::engine::protocol
