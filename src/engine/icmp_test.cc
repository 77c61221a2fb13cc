#include "engine/icmp.h"

#include <gtest/gtest.h>

#include "engine/io/test_packets.h"

namespace vpn::engine {
namespace {

using io::test::Bytes;
using io::test::make_packet;
using io::test::PacketSpec;
using namespace std::chrono_literals;

Bytes answer_to(ByteView dropped) {
  std::array<std::uint8_t, kMaxIcmpBytes> out;
  const std::size_t size = build_unreachable(dropped, out);
  return {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(size)};
}

const PacketSpec kV4{.source = "10.0.0.1", .destination = "192.0.2.9"};
const PacketSpec kV6{.source = "fd00::1", .destination = "2001:db8::9"};

TEST(Icmp, TellsAnIpv4SenderThatTheHostIsUnreachable) {
  const Bytes dropped = make_packet(kV4);
  const Bytes answer = answer_to(dropped);
  ASSERT_EQ(answer.size(), 20 + 8 + dropped.size());
  EXPECT_EQ(load_be16(&answer[2]), answer.size());
  EXPECT_EQ(answer[9], 1);
  EXPECT_EQ(to_string(IpAddress::v4_from_bytes(&answer[12])), "192.0.2.9") << "from the destination";
  EXPECT_EQ(to_string(IpAddress::v4_from_bytes(&answer[16])), "10.0.0.1") << "to the sender";
  EXPECT_EQ(answer[20], 3);  // destination unreachable
  EXPECT_EQ(answer[21], 1);  // host
  EXPECT_TRUE(std::equal(dropped.begin(), dropped.end(), answer.begin() + 28));
  EXPECT_EQ(io::fold_checksum(io::add_checksum(0, ByteView(answer).first(20))), 0xffff);
  EXPECT_EQ(io::fold_checksum(io::add_checksum(0, ByteView(answer).subspan(20))), 0xffff);
}

TEST(Icmp, TellsAnIpv6SenderThatTheAddressIsUnreachable) {
  const Bytes dropped = make_packet(kV6);
  const Bytes answer = answer_to(dropped);
  ASSERT_EQ(answer.size(), 40 + 8 + dropped.size());
  EXPECT_EQ(load_be16(&answer[4]), answer.size() - 40);
  EXPECT_EQ(answer[6], 58);
  EXPECT_EQ(to_string(IpAddress::v6_from_bytes(&answer[8])), "2001:db8::9");
  EXPECT_EQ(to_string(IpAddress::v6_from_bytes(&answer[24])), "fd00::1");
  EXPECT_EQ(answer[40], 1);  // destination unreachable
  EXPECT_EQ(answer[41], 3);  // address
  EXPECT_TRUE(std::equal(dropped.begin(), dropped.end(), answer.begin() + 48));
  const std::uint64_t pseudo = io::pseudo_header_sum(answer, 58) + io::network_word(answer.size() - 40);
  EXPECT_EQ(io::fold_checksum(io::add_checksum(pseudo, ByteView(answer).subspan(40))), 0xffff);
}

TEST(Icmp, QuotesNoMoreThanAnAnswerMayHold) {
  PacketSpec big = kV4;
  big.payload_bytes = 1380;
  EXPECT_EQ(answer_to(make_packet(big)).size(), 576u);
  big = kV6;
  big.payload_bytes = 1360;
  EXPECT_EQ(answer_to(make_packet(big)).size(), 1280u);
}

TEST(Icmp, NeverAnswersAnIcmpError) {
  Bytes packet = make_packet(kV4);
  packet[9] = 1;
  for (const int error : {3, 4, 5, 11, 12}) {
    packet[20] = static_cast<std::uint8_t>(error);
    EXPECT_TRUE(answer_to(packet).empty()) << error;
  }
  packet[20] = 8;  // echo request
  EXPECT_FALSE(answer_to(packet).empty());

  packet = make_packet(kV6);
  packet[6] = 58;
  for (const int error : {1, 2, 3, 4, 127}) {
    packet[40] = static_cast<std::uint8_t>(error);
    EXPECT_TRUE(answer_to(packet).empty()) << error;
  }
  packet[40] = 128;  // echo request
  EXPECT_FALSE(answer_to(packet).empty());
}

TEST(Icmp, FindsAnIcmpErrorBehindExtensionHeaders) {
  Bytes packet = make_packet(kV6);
  packet[6] = 60;  // destination options, 16 bytes
  packet[40] = 0;  // hop by hop, 8 bytes
  packet[41] = 1;
  packet[56] = 58;
  packet[57] = 0;
  packet[64] = 1;
  EXPECT_TRUE(answer_to(packet).empty());
  packet[64] = 128;
  EXPECT_FALSE(answer_to(packet).empty());
  EXPECT_TRUE(answer_to(ByteView(packet).first(60)).empty()) << "an extension header that is cut off";
}

TEST(Icmp, NeverAnswersALaterFragment) {
  Bytes packet = make_packet(kV4);
  packet[7] = 1;
  EXPECT_TRUE(answer_to(packet).empty());
  packet = make_packet(kV6);
  packet[6] = 44;
  packet[40] = 6;
  store_be16(&packet[42], 8);
  EXPECT_TRUE(answer_to(packet).empty());
  store_be16(&packet[42], 1);  // the first: offset 0, more follow
  EXPECT_FALSE(answer_to(packet).empty());
}

TEST(Icmp, NeverAnswersToOrAboutAnythingButASingleHost) {
  for (const char* address : {"0.0.0.0", "127.0.0.1", "224.0.0.251", "255.255.255.255", "::", "::1", "ff02::fb"}) {
    PacketSpec to = IpAddress::parse(address)->is_v4() ? kV4 : kV6;
    PacketSpec from = to;
    to.destination = address;
    from.source = address;
    EXPECT_TRUE(answer_to(make_packet(to)).empty()) << "to " << address;
    EXPECT_TRUE(answer_to(make_packet(from)).empty()) << "from " << address;
  }
}

TEST(Icmp, SurvivesEveryTruncation) {
  for (const PacketSpec& spec : {kV4, kV6}) {
    const Bytes packet = make_packet(spec);
    for (std::size_t size = 0; size < packet.size(); ++size) {
      const bool whole_header = size >= io::test::ip_bytes_of(packet);
      EXPECT_EQ(answer_to(Bytes(packet.begin(), packet.begin() + static_cast<std::ptrdiff_t>(size))).empty(),
                !whole_header);
    }
  }
  EXPECT_TRUE(answer_to(Bytes(40, 0x00)).empty());
  EXPECT_TRUE(answer_to(Bytes(20, 0x4f)).empty()) << "options that are cut off";
}

TEST(IcmpLimiter, AllowsABurstAndThenARate) {
  IcmpLimiter limiter;
  Instant now(1h);
  const auto take_all = [&] {
    int taken = 0;
    while (limiter.take(now)) ++taken;
    return taken;
  };
  EXPECT_EQ(take_all(), IcmpLimiter::kBurst);
  now += 100ms;
  EXPECT_EQ(take_all(), IcmpLimiter::kPerSecond / 10);
  now += 1h;
  EXPECT_EQ(take_all(), IcmpLimiter::kBurst);
}

}  // namespace
}  // namespace vpn::engine
