#include "engine/io/segment.h"

#include <gtest/gtest.h>

#include "base/random.h"
#include "engine/io/test_packets.h"

namespace vpn::engine::io {
namespace {

using namespace test;

struct Case {
  const char* name;
  PacketSpec spec;
};
void PrintTo(const Case& segmentation, std::ostream* out) {
  *out << segmentation.name;
}

class EverySegmentation : public testing::TestWithParam<Case> {};

// What the sender's own TCP or UDP would have sent is known: the same make_packet() makes it.
TEST_P(EverySegmentation, GivesThePacketsTheSenderWouldHaveSent) {
  PacketSpec spec = GetParam().spec;
  spec.payload_bytes = 3 * 500 + 123;
  spec.flags = kTcpAck | kTcpPsh | kTcpFin | kTcpCwr;
  Offload offload;
  const Bytes super_packet = make_super_packet(spec, 500, offload);

  const std::vector<Bytes> segments = expand(super_packet, offload);
  ASSERT_EQ(segments.size(), 4u);
  for (std::size_t i = 0; i < segments.size(); ++i) {
    PacketSpec expected = spec;
    expected.payload_bytes = i < 3 ? 500 : 123;
    expected.fill = static_cast<std::uint8_t>(spec.fill + 500 * i);
    expected.sequence = spec.sequence + static_cast<std::uint32_t>(500 * i);
    expected.identification = static_cast<std::uint16_t>(spec.identification + i);
    expected.flags = static_cast<std::uint8_t>(kTcpAck | (i == 3 ? kTcpPsh | kTcpFin : 0) | (i == 0 ? kTcpCwr : 0));
    EXPECT_EQ(segments[i], make_packet(expected)) << i;
    EXPECT_TRUE(checksums_hold(segments[i])) << i;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, EverySegmentation,
    testing::Values(
        Case{"TcpV4", {}}, Case{"TcpV6", {.source = "fd00::1", .destination = "fd00::2"}},
        Case{"UdpV4", {.protocol = kProtocolUdp}},
        Case{"UdpV6", {.source = "fd00::1", .destination = "fd00::2", .protocol = kProtocolUdp}},
        Case{"TcpWrapping", {.identification = 65534, .sequence = 0xffffff00}},
        Case{"TcpWithoutOptions", {.option_bytes = 0}}, Case{"TcpMarkedCongested", {.traffic_class = 3}},
        Case{"UdpV6Expedited",
             {.source = "fd00::1", .destination = "fd00::2", .protocol = kProtocolUdp, .traffic_class = 0xb9}},
        Case{"TcpBehindIpOptions", {.extension_bytes = 8}},
        Case{"UdpBehindAllIpOptions", {.protocol = kProtocolUdp, .extension_bytes = 40}},
        Case{"TcpBehindAnExtensionHeader", {.source = "fd00::1", .destination = "fd00::2", .extension_bytes = 24}},
        Case{"UdpBehindAnExtensionHeader",
             {.source = "fd00::1", .destination = "fd00::2", .protocol = kProtocolUdp, .extension_bytes = 8}}),
    [](const auto& parameter) { return parameter.param.name; });

TEST(Segmenter, GivesOnePacketWhenThePayloadFitsIntoOne) {
  Offload offload;
  const PacketSpec spec{.payload_bytes = 100};
  const Bytes super_packet = make_super_packet(spec, 100, offload);
  EXPECT_EQ(expand(super_packet, offload), std::vector<Bytes>{make_packet(spec)});
}

TEST(Segmenter, CutsJumboFrames) {
  Offload offload;
  PacketSpec spec{.payload_bytes = 7 * 8948};
  const std::vector<Bytes> segments = expand(make_super_packet(spec, 8948, offload), offload);
  ASSERT_EQ(segments.size(), 7u);
  for (const Bytes& segment : segments) {
    EXPECT_EQ(segment.size(), 9000u);
    EXPECT_TRUE(checksums_hold(segment));
  }
}

// Behind a routing header (RFC 8200 section 8.1) the checksum is of the final destination, which the IPv6 header does
// not name: the partial checksum knows it.
TEST(Segmenter, KeepsTheChecksumOfAFinalDestination) {
  const PacketSpec spec{.source = "fd00::1", .destination = "fd00::2", .extension_bytes = 8, .payload_bytes = 1000};
  PacketSpec to_final = spec;
  to_final.destination = "fd00::99";
  Offload offload;
  Bytes super_packet = make_super_packet(to_final, 300, offload);
  const IpAddress next = *IpAddress::parse(spec.destination), final = *IpAddress::parse(to_final.destination);
  std::copy_n(next.bytes().begin(), 16, &super_packet[24]);
  std::vector<Bytes> segments = expand(super_packet, offload);
  ASSERT_EQ(segments.size(), 4u);
  for (Bytes& segment : segments) {
    EXPECT_FALSE(checksums_hold(segment));
    std::copy_n(final.bytes().begin(), 16, &segment[24]);
    EXPECT_TRUE(checksums_hold(segment));
  }
}

TEST(Segmenter, RefusesMetadataThatContradictsThePacket) {
  Offload good;
  const Bytes packet = make_super_packet({.payload_bytes = 1000}, 500, good);
  ASSERT_TRUE(Segmenter::open(packet, good));
  const auto refuses = [&](const char* what, auto change) {
    Offload bad = good;
    change(bad);
    EXPECT_FALSE(Segmenter::open(packet, bad)) << what;
  };
  refuses("no segment size", [](Offload& o) { o.segment_bytes = 0; });
  refuses("a complete checksum", [](Offload& o) { o.checksum_partial = false; });
  refuses("the other IP version", [](Offload& o) { o.segmentation = Segmentation::kTcpV6; });
  refuses("a transport header inside the IP header", [](Offload& o) { o.checksum_start = 8; });
  refuses("a transport header behind the packet", [](Offload& o) { o.checksum_start = 1200; });
  refuses("UDP's checksum in TCP", [](Offload& o) { o.checksum_offset = kUdpChecksumOffset; });
}

TEST(Segmenter, RefusesEveryTruncationOfTheHeaders) {
  Offload offload;
  for (const char* address : {"10.0.0.1", "fd00::1"}) {
    const Bytes packet =
        make_super_packet({.source = address, .destination = address, .payload_bytes = 1}, 500, offload);
    for (std::size_t size = 0; size < packet.size(); ++size) {
      EXPECT_FALSE(Segmenter::open(ByteView(packet).first(size), offload)) << address << " " << size;
    }
  }
}

TEST(Segmenter, SurvivesRandomHeadersAndMetadata) {
  SeededRandom random(3);
  for (int round = 0; round < 20'000; ++round) {
    Bytes packet(1 + random.below(200));
    random.fill(packet);
    packet[0] = random.below(2) == 0 ? 0x45 : 0x60;
    Offload offload;
    offload.segmentation = static_cast<Segmentation>(1 + random.below(3));
    offload.checksum_partial = true;
    offload.segment_bytes = static_cast<std::uint16_t>(random.below(100));
    offload.checksum_start = static_cast<std::uint16_t>(random.below(100));
    offload.checksum_offset = offload.segmentation == Segmentation::kUdp ? kUdpChecksumOffset : kTcpChecksumOffset;
    auto segmenter = Segmenter::open(packet, offload);
    std::size_t payload = 0;
    std::size_t count = 0;
    for (Bytes segment(200); segmenter && segmenter->next_size() > 0; ++count) {
      ASSERT_LE(segmenter->next_size(), packet.size());
      payload += segmenter->next_size();
      segmenter->write_next(segment.data());
    }
    if (!segmenter) continue;
    EXPECT_GE(payload, packet.size());
    EXPECT_LE(count, packet.size());
  }
}

TEST(CompleteChecksum, MakesAPartialChecksumWhole) {
  for (const std::uint8_t protocol : {kProtocolTcp, kProtocolUdp}) {
    for (const char* address : {"10.0.0.1", "fd00::1"}) {
      const PacketSpec spec{.source = address, .destination = address, .protocol = protocol, .payload_bytes = 333};
      Offload offload;
      Bytes packet = make_super_packet(spec, 1000, offload);
      ASSERT_NE(packet, make_packet(spec));
      ASSERT_TRUE(complete_checksum(packet, offload));
      EXPECT_EQ(packet, make_packet(spec));
    }
  }
}

TEST(CompleteChecksum, RefusesAFieldOutsideThePacket) {
  Bytes packet(40);
  EXPECT_FALSE(complete_checksum(packet, {.checksum_partial = true, .checksum_start = 20, .checksum_offset = 19}));
  EXPECT_FALSE(complete_checksum(packet, {.checksum_partial = true, .checksum_start = 41, .checksum_offset = 0}));
  EXPECT_TRUE(complete_checksum(packet, {.checksum_partial = true, .checksum_start = 20, .checksum_offset = 18}));
}

}  // namespace
}  // namespace vpn::engine::io
