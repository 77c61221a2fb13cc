// For tests: one end of a link, an Interface with its key, its address and what it wants sent. No socket, no thread.
#pragma once

#include <algorithm>
#include <cstring>
#include <deque>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/random.h"
#include "engine/crypto/x25519.h"
#include "engine/protocol/interface.h"

namespace vpn::engine::protocol {

using Bytes = std::vector<std::uint8_t>;

/// A whole IPv4 packet of `payload` bytes behind a 20-byte header.
inline Bytes make_ipv4(const char* source, const char* destination, ByteView payload, std::uint8_t tos = 0) {
  Bytes packet(20 + payload.size());
  packet[0] = 0x45;
  packet[1] = tos;
  store_be16(&packet[2], static_cast<std::uint16_t>(packet.size()));
  packet[8] = 64;
  packet[9] = 17;
  std::memcpy(&packet[12], IpAddress::parse(source)->bytes().data(), 4);
  std::memcpy(&packet[16], IpAddress::parse(destination)->bytes().data(), 4);
  std::copy(payload.begin(), payload.end(), packet.begin() + 20);
  return packet;
}

/// Repeatable bytes and, before them, the 32-bit numbers that a test wants drawn.
class TestRandom final : public Random {
 public:
  explicit TestRandom(std::uint64_t seed) : seeded_(seed) {}

  void fill(MutableBytes out) override {
    if (out.size() != 4 || numbers.empty()) return seeded_.fill(out);
    store_le32(out.data(), numbers.front());
    numbers.pop_front();
  }

  std::deque<std::uint32_t> numbers;

 private:
  SeededRandom seeded_;
};

struct TestDatagram {
  Endpoint from;
  Endpoint to;
  Bytes bytes;
  std::uint8_t traffic_class = 0;
};

/// A node's outcome of one datagram or packet.
struct TestOutcome {
  InboundDatagram::Verdict verdict{};
  DropReason reason{};
};

struct TestNode {
  TestNode(std::uint64_t seed, const char* endpoint, const char* inner, Moment now)
      : random(seed), address(*Endpoint::parse(endpoint)), inner_address(inner), interface(random) {
    private_key = crypto::generate_private_key(random);
    public_key = crypto::derive_public_key(private_key);
    InterfaceUpdate update;
    update.private_key = private_key;
    configure(update, now);
    actions.clear();
    interface.set_up(true, now, actions);
  }

  void configure(const InterfaceUpdate& update, Moment now) {
    actions.clear();
    EXPECT_TRUE(interface.configure(update, now, actions));
    collect();
  }

  /// Makes `other` a peer: its inner address is allowed; its endpoint is known when `knows_endpoint`.
  PeerUpdate peer_update(const TestNode& other, bool knows_endpoint) const {
    PeerUpdate peer;
    peer.public_key = other.public_key;
    if (knows_endpoint) peer.endpoint = other.address;
    peer.allowed_ips.push_back({*IpPrefix::parse(other.inner_address)});
    return peer;
  }
  void add_peer(const TestNode& other, bool knows_endpoint, Moment now) {
    InterfaceUpdate update;
    update.peers.push_back(peer_update(other, knows_endpoint));
    configure(update, now);
  }

  /// One inner packet from the tunnel device.
  OutboundPacket send(const Bytes& inner, Moment now) {
    Bytes buffer(kSealHeadroom + inner.size() + kSealTailroom, 0xee);
    std::copy(inner.begin(), inner.end(), buffer.begin() + kSealHeadroom);
    OutboundPacket packet;
    packet.inner = MutableBytes(buffer).subspan(kSealHeadroom, inner.size());
    actions.clear();
    interface.send({&packet, 1}, now, aead, actions);
    if (packet.verdict == OutboundPacket::Verdict::kSend) {
      outbox.push_back({address, actions.paths()[packet.path].remote,
                        Bytes(packet.datagram.begin(), packet.datagram.end()), packet.traffic_class});
    }
    collect();
    return packet;
  }

  /// One datagram from the network; handshakes are worked on at once.
  TestOutcome receive(const TestDatagram& datagram, Moment now) {
    TestOutcome outcome = queue(datagram, now);
    work(now);
    return outcome;
  }
  /// The same, but a handshake message stays in the queue.
  TestOutcome queue(const TestDatagram& datagram, Moment now) {
    Bytes bytes = datagram.bytes;
    const Path path{datagram.from, address.address, 1};
    InboundDatagram inbound;
    inbound.bytes = bytes;
    inbound.path = &path;
    inbound.traffic_class = datagram.traffic_class;
    actions.clear();
    interface.receive({&inbound, 1}, now, aead, actions);
    collect();
    if (inbound.verdict == InboundDatagram::Verdict::kDeliver)
      delivered.emplace_back(inbound.inner.begin(), inbound.inner.end());
    return {inbound.verdict, inbound.reason};
  }
  void work(Moment now) {
    std::size_t waiting = 1;
    while (waiting > 0) {
      actions.clear();
      waiting = interface.process_handshakes(64, now, actions);
      collect();
    }
    expire(now);
  }
  void expire(Moment now) {
    while (interface.next_deadline() <= now.boot) {
      actions.clear();
      interface.expire(now, actions);
      collect();
    }
  }
  std::uint64_t drops(DropReason reason) const { return interface.quiet_drops()[static_cast<std::size_t>(reason)]; }

  TestRandom random;
  crypto::Aead aead;
  Actions actions;
  Endpoint address;
  std::string inner_address;
  PrivateKey private_key;
  PublicKey public_key;
  Interface interface;
  std::vector<TestDatagram> outbox;
  std::vector<Bytes> delivered;

 private:
  void collect() {
    for (std::size_t i = 0; i < actions.datagram_count(); ++i) {
      const auto datagram = actions.datagram(i);
      outbox.push_back(
          {address, datagram.path.remote, Bytes(datagram.bytes.begin(), datagram.bytes.end()), datagram.traffic_class});
    }
  }
};

}  // namespace vpn::engine::protocol
