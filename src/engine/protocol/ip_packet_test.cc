// Row 28: which bytes are an IP packet, how long it is and from whom.
#include "engine/protocol/ip_packet.h"

#include <gtest/gtest.h>

#include <vector>

namespace vpn::engine::protocol {
namespace {

using Bytes = std::vector<std::uint8_t>;

/// `size` bytes whose header says `length` of itself: the total in IPv4, what follows the header in IPv6.
Bytes packet(unsigned version, std::size_t size, std::size_t length) {
  Bytes bytes(size);
  if (size > 0) bytes[0] = static_cast<std::uint8_t>(version << 4 | 5);
  const std::size_t field = version == 6 ? 4 : 2;
  if (size >= field + 2) store_be16(&bytes[field], static_cast<std::uint16_t>(length));
  return bytes;
}

TEST(IpPacket, LengthIsTheHeadersAndNeverMoreThanThereIs) {
  const struct {
    unsigned version;
    std::size_t size, length;
    std::optional<std::size_t> expected;
  } kCases[] = {
      {4, 20, 20, 20}, {4, 64, 20, 20},    {4, 64, 33, 33}, {4, 64, 64, 64}, {4, 64, 65, {}},    {4, 64, 19, {}},
      {4, 64, 0, {}},  {4, 64, 65535, {}}, {4, 19, 19, {}}, {4, 1, 0, {}},   {4, 0, 0, {}},      {6, 40, 0, 40},
      {6, 80, 0, 40},  {6, 80, 7, 47},     {6, 80, 40, 80}, {6, 80, 41, {}}, {6, 80, 65535, {}}, {6, 39, 0, {}},
      {6, 20, 0, {}},  {6, 1, 0, {}},      {0, 64, 64, {}}, {5, 64, 64, {}}, {7, 80, 40, {}},    {15, 64, 64, {}},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(inner_length(packet(c.version, c.size, c.length)), c.expected)
        << "version " << c.version << ", " << c.size << " bytes that say " << c.length;
  }
}

TEST(IpPacket, AddressesAreWhereTheVersionHasThem) {
  const Bytes v4 = packet(4, 64, 64), v6 = packet(6, 80, 40);
  const auto is = [](const std::optional<InnerAddress>& address, IpFamily family, const std::uint8_t* where) {
    return address && address->family == family && address->address == where;
  };
  EXPECT_TRUE(is(inner_source(v4), IpFamily::kV4, &v4[12]));
  EXPECT_TRUE(is(inner_destination(v4), IpFamily::kV4, &v4[16]));
  EXPECT_TRUE(is(inner_source(v6), IpFamily::kV6, &v6[8]));
  EXPECT_TRUE(is(inner_destination(v6), IpFamily::kV6, &v6[24]));
}

TEST(IpPacket, WhatIsNoIpPacketHasNoAddresses) {
  for (const Bytes& bytes : {packet(4, 0, 0), packet(4, 19, 19), packet(6, 39, 0), packet(0, 64, 64), packet(5, 64, 64),
                             packet(7, 80, 40)}) {
    EXPECT_FALSE(inner_source(bytes)) << bytes.size();
    EXPECT_FALSE(inner_destination(bytes)) << bytes.size();
  }
}

}  // namespace
}  // namespace vpn::engine::protocol
