#include "engine/protocol/ecn.h"

#include <gtest/gtest.h>

#include <vector>

#include "base/random.h"

namespace vpn::engine::protocol {
namespace {

constexpr unsigned kNotEct = 0;
constexpr unsigned kEct1 = 1;
constexpr unsigned kEct0 = 2;
constexpr unsigned kCe = 3;
constexpr unsigned kDscp = 0x2e << 2;  // expedited forwarding

/// The checksum of RFC 791 over the header, computed afresh: 0 when the one inside is right.
std::uint16_t ipv4_checksum(ByteView header) {
  std::uint32_t sum = 0;
  for (std::size_t i = 0; i < header.size(); i += 2) sum += load_be16(header.data() + i);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(~sum);
}

std::vector<std::uint8_t> ipv4_packet(unsigned tos, Random& random) {
  std::vector<std::uint8_t> packet(28);
  random.fill(packet);
  packet[0] = 0x45;
  packet[1] = static_cast<std::uint8_t>(tos);
  store_be16(packet.data() + 10, 0);
  store_be16(packet.data() + 10, ipv4_checksum(ByteView(packet).first(20)));
  return packet;
}

std::vector<std::uint8_t> ipv6_packet(unsigned traffic_class) {
  std::vector<std::uint8_t> packet(48, 0x77);
  store_be32(packet.data(), 6u << 28 | traffic_class << 20 | 0xabcde);
  return packet;
}

TEST(OuterTrafficClass, CopiesEcnAndSendsCeAsEct0WithDscpZero) {
  SeededRandom random(1);
  constexpr unsigned kExpected[] = {kNotEct, kEct1, kEct0, kEct0};
  for (unsigned ecn = 0; ecn < 4; ++ecn) {
    EXPECT_EQ(outer_traffic_class(ipv4_packet(kDscp | ecn, random)), kExpected[ecn]);
    EXPECT_EQ(outer_traffic_class(ipv6_packet(kDscp | ecn)), kExpected[ecn]);
  }
}

TEST(OuterTrafficClass, IsZeroForWhatIsNoIpPacket) {
  EXPECT_EQ(outer_traffic_class({}), 0);
  EXPECT_EQ(outer_traffic_class(std::vector<std::uint8_t>{0x45}), 0);
  EXPECT_EQ(outer_traffic_class(std::vector<std::uint8_t>(20, 0x13)), 0);
}

TEST(MergeOuterEcn, FollowsRfc6040WhereTheKernelDoes) {
  // RFC 6040 figure 4, [inner][outer]. Not-ECT under CE is to be dropped there; the kernel delivers it.
  constexpr unsigned kDelivered[4][4] = {{kNotEct, kNotEct, kNotEct, kNotEct},
                                         {kEct1, kEct1, kEct1, kCe},
                                         {kEct0, kEct1, kEct0, kCe},
                                         {kCe, kCe, kCe, kCe}};
  SeededRandom random(2);
  for (unsigned outer = 0; outer < 4; ++outer) {
    for (unsigned inner = 0; inner < 4; ++inner) {
      const unsigned expected = kDelivered[inner][outer];
      auto v4 = ipv4_packet(kDscp | inner, random);
      merge_outer_ecn(static_cast<std::uint8_t>(kDscp | outer), v4);
      EXPECT_EQ(v4[1], kDscp | expected) << outer << ' ' << inner;
      auto v6 = ipv6_packet(kDscp | inner);
      merge_outer_ecn(static_cast<std::uint8_t>(outer), v6);
      EXPECT_EQ(v6, ipv6_packet(kDscp | expected)) << outer << ' ' << inner;
    }
  }
}

TEST(MergeOuterEcn, KeepsTheIpv4ChecksumRightAndTheRestAsItWas) {
  SeededRandom random(3);
  for (int i = 0; i < 10000; ++i) {
    const unsigned tos = random.below(256);
    auto packet = ipv4_packet(tos, random);
    const auto before = packet;
    merge_outer_ecn(static_cast<std::uint8_t>(random.below(4)), packet);
    ASSERT_EQ(ipv4_checksum(ByteView(packet).first(20)), 0) << i;
    packet[1] = before[1];
    store_be16(packet.data() + 10, load_be16(before.data() + 10));
    ASSERT_EQ(packet, before);
  }
}

}  // namespace
}  // namespace vpn::engine::protocol
