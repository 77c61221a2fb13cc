// For tests: a client and a gateway that hand each other datagrams, and the clock of both. The tests of the protocol's
// checklist, row by row, stand on it: interface_*_test.cc.
#pragma once

#include <gtest/gtest.h>

#include <utility>

#include "engine/protocol/test_node.h"

namespace vpn::engine::protocol {

using InVerdict = InboundDatagram::Verdict;
using OutVerdict = OutboundPacket::Verdict;

inline MessageType type_of(const TestDatagram& datagram) {
  return *classify(datagram.bytes);
}

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
  /// The session in which `node` sends to `peer`.
  static Keypair& session_of(TestNode& node, const TestNode& peer) {
    return *node.interface.peers_.at(peer.public_key)->keypairs.current();
  }
  /// An initiation by its size and type alone; its macs are wrong.
  TestDatagram garbage(const TestNode& to) const {
    TestDatagram datagram{*Endpoint::parse("198.51.100.1:1"), to.address, Bytes(sizeof(HandshakeInitiation)), 0};
    datagram.bytes[0] = 1;
    return datagram;
  }
  /// For the next second.
  void put_under_load(TestNode& node) {
    for (std::size_t i = 0; i < kUnderLoadQueueLength; ++i) node.queue(garbage(node), now());
    node.work(now());
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

}  // namespace vpn::engine::protocol
