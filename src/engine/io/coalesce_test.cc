#include "engine/io/coalesce.h"

#include <gtest/gtest.h>

#include <map>

#include "base/random.h"
#include "engine/io/test_odd_packets.h"
#include "engine/io/test_packets.h"

namespace vpn::engine::io {
namespace {

using namespace test;

// The packets of each write that a batch becomes.
std::vector<std::vector<Bytes>> writes_of(Coalescer& coalescer, const std::vector<Bytes>& packets) {
  coalescer.begin(true, true);
  for (const Bytes& packet : packets) coalescer.add(packet);
  std::vector<std::vector<Bytes>> writes;
  for (const TunWrite& write : coalescer.finish()) writes.push_back(expand(gather(write), write.offload));
  return writes;
}

std::vector<std::size_t> sizes_of(const std::vector<Bytes>& packets) {
  Coalescer coalescer;
  std::vector<std::size_t> sizes;
  for (const auto& write : writes_of(coalescer, packets)) sizes.push_back(write.size());
  return sizes;
}

// Equal for packets of one flow: their addresses, ports and protocol.
Bytes flow_key(const Bytes& packet) {
  Bytes key(packet.begin() + (packet[0] >> 4 == 4 ? 12 : 8), packet.begin() + ip_bytes_of(packet) + 4);
  key.push_back(protocol_of(packet));
  return key;
}

PacketSpec after(PacketSpec spec) {
  spec.sequence += static_cast<std::uint32_t>(spec.payload_bytes);
  ++spec.identification;
  return spec;
}

using Sizes = std::vector<std::size_t>;

TEST(Coalescer, MergesSuccessiveSegmentsOfEveryKind) {
  for (const std::uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
    for (const char* address : {"10.0.0.1", "fd00::1"}) {
      PacketSpec spec{.source = address, .destination = address, .protocol = protocol, .payload_bytes = 1000};
      std::vector<Bytes> packets;
      for (int i = 0; i < 5; ++i, spec = after(spec)) packets.push_back(make_packet(spec));
      spec.payload_bytes = 10;
      packets.push_back(make_packet(spec));
      Coalescer coalescer;
      const auto writes = writes_of(coalescer, packets);
      ASSERT_EQ(writes.size(), 1u) << address;
      EXPECT_EQ(writes[0], packets);
    }
  }
}

TEST(Coalescer, LeavesThePacketsThemselvesAlone) {
  const PacketSpec spec;
  const std::vector<Bytes> packets{make_packet(spec), make_packet(after(spec))};
  const std::vector<Bytes> before = packets;
  EXPECT_EQ(sizes_of(packets), Sizes{2});
  EXPECT_EQ(packets, before);
}

TEST(Coalescer, DescribesASuperPacketAsTheKernelExpectsIt) {
  const PacketSpec spec{.payload_bytes = 200};
  const std::vector<Bytes> packets{make_packet(spec), make_packet(after(spec))};
  Coalescer coalescer;
  coalescer.begin(true, true);
  for (const Bytes& packet : packets) coalescer.add(packet);
  const auto writes = coalescer.finish();
  ASSERT_EQ(writes.size(), 1u);
  EXPECT_EQ(writes[0].offload.segmentation, Segmentation::kTcpV4);
  EXPECT_TRUE(writes[0].offload.checksum_partial);
  EXPECT_EQ(writes[0].offload.header_bytes, 20 + 20 + 12);
  EXPECT_EQ(writes[0].offload.segment_bytes, 200);
  EXPECT_EQ(writes[0].offload.checksum_start, 20);
  EXPECT_EQ(writes[0].offload.checksum_offset, 16);
  EXPECT_EQ(load_be16(&gather(writes[0])[2]), 20 + 20 + 12 + 400);
}

// Row 35 of docs/protocol.md.
TEST(Coalescer, SaysThatAPacketsChecksumsNeedNoLook) {
  const PacketSpec spec, other{.source_port = 1};
  const std::vector<Bytes> packets{make_packet(spec), make_packet(other), make_packet({.protocol = 1})};
  Coalescer coalescer;
  coalescer.begin(true, true);
  for (const Bytes& packet : packets) coalescer.add(packet);
  const auto writes = coalescer.finish();
  ASSERT_EQ(writes.size(), packets.size());
  for (const TunWrite& write : writes) {
    EXPECT_TRUE(write.offload.checksum_valid);
    EXPECT_FALSE(write.offload.checksum_partial);
  }
}

TEST(Coalescer, EndsASuperPacketAtAShorterOrPushedSegment) {
  PacketSpec first;
  PacketSpec shorter = after(first);
  shorter.payload_bytes = 50;
  EXPECT_EQ(sizes_of({make_packet(first), make_packet(shorter), make_packet(after(shorter))}), (Sizes{2, 1}));

  PacketSpec pushed = after(first);
  pushed.flags |= kTcpPsh;
  PacketSpec next = after(pushed);
  next.flags = kTcpAck;
  EXPECT_EQ(sizes_of({make_packet(first), make_packet(pushed), make_packet(next)}), (Sizes{2, 1}));
}

TEST(Coalescer, DoesNotMergeWhatDiffersInMoreThanItsPlace) {
  const PacketSpec spec;
  const auto apart = [&](const char* what, auto change) {
    PacketSpec other = after(spec);
    change(other);
    EXPECT_EQ(sizes_of({make_packet(spec), make_packet(other)}), (Sizes{1, 1})) << what;
  };
  apart("a gap", [](PacketSpec& s) { s.sequence += 1; });
  apart("a retransmission", [](PacketSpec& s) { s.sequence -= 100; });
  apart("a longer segment", [](PacketSpec& s) { s.payload_bytes += 1; });
  apart("another port", [](PacketSpec& s) { s.source_port += 1; });
  apart("another host", [](PacketSpec& s) { s.source = "10.0.0.3"; });
  apart("another acknowledgement", [](PacketSpec& s) { s.acknowledgement += 1; });
  apart("other options", [](PacketSpec& s) { s.option_bytes = 0; });
  apart("a mark of congestion (RFC 3168)", [](PacketSpec& s) { s.traffic_class = 3; });
  apart("another DSCP", [](PacketSpec& s) { s.traffic_class = 0xb8; });
  apart("no payload", [](PacketSpec& s) { s.payload_bytes = 0; });
  for (const int flag : {0x01, 0x02, 0x04, 0x20, 0x40, 0x80}) {
    apart("a flag", [flag](PacketSpec& s) { s.flags |= static_cast<std::uint8_t>(flag); });
  }
  apart("fragmentation allowed", [](PacketSpec& s) { s.dont_fragment = false; });
}

TEST(Coalescer, KeepsIdentificationsThatMatter) {
  PacketSpec first{.dont_fragment = false};
  PacketSpec second = after(first);
  EXPECT_EQ(sizes_of({make_packet(first), make_packet(second)}), Sizes{2});
  second.identification += 1;
  EXPECT_EQ(sizes_of({make_packet(first), make_packet(second)}), (Sizes{1, 1}));
}

TEST(Coalescer, LeavesFragmentsOptionsAndUncheckedUdpAlone) {
  const PacketSpec udp{.protocol = kProtocolUdp};
  const auto alone = [&](const char* what, auto change) {
    Bytes a = make_packet(udp), b = a;
    change(a);
    change(b);
    EXPECT_EQ(sizes_of({a, b}), (Sizes{1, 1})) << what;
  };
  alone("a first fragment", [](Bytes& p) { p[6] |= 0x20; });
  alone("a later fragment", [](Bytes& p) { p[7] = 1; });
  alone("IP options", [](Bytes& p) { p[0] = 0x46; });
  alone("no checksum", [](Bytes& p) { p[26] = p[27] = 0; });
  alone("a length of its own", [](Bytes& p) { p[25] -= 1; });
}

class EveryOddFlow : public testing::TestWithParam<OddFlow> {};
INSTANTIATE_TEST_SUITE_P(Coalescer, EveryOddFlow, testing::ValuesIn(odd_flows()),
                         [](const auto& flow) { return flow.param.name; });

TEST_P(EveryOddFlow, ComesOutByteForByte) {
  const std::vector<Bytes> packets = GetParam().packets(4);
  Coalescer coalescer;
  const auto writes = writes_of(coalescer, packets);
  EXPECT_EQ(writes.size(), GetParam().merges ? 1u : 4u);
  std::vector<Bytes> written;
  for (const auto& write : writes) written.insert(written.end(), write.begin(), write.end());
  EXPECT_EQ(written, packets);
}

// An odd packet among plain ones: before the first, in between, behind the last. One of another flow may change places
// with them, and then an identification that means nothing (RFC 6864) may be another; so there are none here.
TEST_P(EveryOddFlow, LeavesItsNeighboursAsTheyAre) {
  OddFlow odd = GetParam();
  odd.spec.dont_fragment = false;
  const OddFlow plain{.name = "", .spec = odd.spec};
  for (std::size_t number = 0; number < 5; ++number) {
    std::vector<Bytes> packets = plain.packets(5);
    packets[number] = odd.packets(5)[number];
    std::vector<Bytes> written;
    Coalescer coalescer;
    for (const auto& write : writes_of(coalescer, packets)) {
      for (const Bytes& packet : write) written.push_back(packet);
    }
    const auto is_others = [&](const Bytes& packet) { return flow_key(packet) != flow_key(plain.packets(1)[0]); };
    EXPECT_EQ(std::erase_if(written, is_others), std::erase_if(packets, is_others));
    EXPECT_EQ(written, packets) << number;
  }
}

// A packet with a wrong checksum stays wrong, whatever the right ones around it become.
TEST(Coalescer, RepairsNoChecksum) {
  for (const std::size_t wrong : {0u, 1u, 2u, 3u}) {
    std::vector<Bytes> packets = OddFlow{.name = ""}.packets(4);
    packets[wrong][60] ^= 4;
    Coalescer coalescer;
    std::size_t number = 0;
    for (const auto& write : writes_of(coalescer, packets)) {
      for (const Bytes& packet : write) EXPECT_EQ(checksums_hold(packet), number++ != wrong) << wrong;
    }
    EXPECT_EQ(number, 4u);
  }
}

TEST(Coalescer, WritesOneByOneWhatTheDeviceDoesNotTake) {
  for (const std::uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
    const PacketSpec spec{.protocol = protocol};
    const Bytes first = make_packet(spec), second = make_packet(after(spec));
    Coalescer coalescer;
    coalescer.begin(protocol != kProtocolTcp, protocol != kProtocolUdp);
    coalescer.add(first);
    coalescer.add(second);
    EXPECT_EQ(coalescer.finish().size(), 2u);
  }
}

TEST(Coalescer, StaysBelowTheLimitsOfTheKernel) {
  const auto count_writes = [](PacketSpec spec, int packets) {
    std::vector<Bytes> batch;
    for (int i = 0; i < packets; ++i, spec = after(spec)) batch.push_back(make_packet(spec));
    Coalescer coalescer;
    coalescer.begin(true, true);
    for (const Bytes& packet : batch) coalescer.add(packet);
    std::size_t total = 0;
    const auto writes = coalescer.finish();
    for (const TunWrite& write : writes) {
      EXPECT_LE(write.size, 65535u);
      EXPECT_LE(write.pieces.size(), kMaxPieces);
      total += expand(gather(write), write.offload).size();
    }
    EXPECT_EQ(total, static_cast<std::size_t>(packets));
    return writes.size();
  };
  EXPECT_EQ(count_writes({.protocol = kProtocolUdp, .payload_bytes = 10}, 130), 3u);  // 64 datagrams each
  EXPECT_EQ(count_writes({.payload_bytes = 1300}, 100), 2u);                          // 64 KiB each
  EXPECT_EQ(count_writes({.payload_bytes = 1}, 500), 2u);                             // 255 segments each
}

TEST(Coalescer, HoldsAMaximalHeader) {
  const PacketSpec spec{.source = "fd00::1", .destination = "fd00::2", .option_bytes = 40};
  EXPECT_EQ(sizes_of({make_packet(spec), make_packet(after(spec))}), Sizes{2});
}

// Flows that interleave, lose, repeat, change size and end at random: whatever is merged, each flow's packets come out
// again, byte for byte and in order.
TEST(Coalescer, LosesNothingAndKeepsEachFlowsOrder) {
  SeededRandom random(4);
  Coalescer coalescer;
  std::size_t merged = 0;
  for (int round = 0; round < 500; ++round) {
    std::vector<PacketSpec> flows;
    const std::uint32_t flow_count = 1 + random.below(12);
    for (std::uint32_t i = 0; i < flow_count; ++i) {
      PacketSpec spec;
      if (random.below(2) == 0) spec.source = spec.destination = "fd00::" + std::to_string(i);
      spec.protocol = random.below(2) == 0 ? kProtocolTcp : kProtocolUdp;
      spec.source_port = static_cast<std::uint16_t>(i);
      spec.dont_fragment = random.below(2) == 0;
      spec.payload_bytes = 1 + random.below(300);
      flows.push_back(spec);
    }
    std::vector<Bytes> packets;
    for (int i = 0; i < 100; ++i) {
      PacketSpec& flow = flows[random.below(flow_count)];
      for (std::uint32_t burst = random.below(6); burst > 0; --burst) {
        PacketSpec spec = flow;
        if (random.below(8) == 0) spec.payload_bytes = random.below(static_cast<std::uint32_t>(spec.payload_bytes) + 1);
        if (random.below(8) == 0) spec.flags |= kTcpPsh;
        if (random.below(16) == 0) spec.flags |= kTcpFin;
        if (random.below(16) == 0) spec.sequence += 17;
        if (random.below(16) == 0) spec.traffic_class = static_cast<std::uint8_t>(random.below(256));
        if (!spec.dont_fragment && random.below(32) == 0) spec.extension_bytes = 8;  // of another flow: see above
        spec.fill = static_cast<std::uint8_t>(random.below(256));
        packets.push_back(make_packet(spec));
        if (random.below(32) == 0) packets.back().back() ^= 1;
        flow.sequence = after(spec).sequence;
        ++flow.identification;
      }
    }
    std::map<Bytes, std::vector<Bytes>> expected, actual;
    for (const Bytes& packet : packets) expected[flow_key(packet)].push_back(packet);
    for (const auto& write : writes_of(coalescer, packets)) {
      merged += write.size() > 1;
      for (const Bytes& packet : write) actual[flow_key(packet)].push_back(packet);
    }
    ASSERT_EQ(actual, expected) << "round " << round;
  }
  EXPECT_GT(merged, 1000u);
}

}  // namespace
}  // namespace vpn::engine::io
