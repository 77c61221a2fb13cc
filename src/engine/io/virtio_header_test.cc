#include "engine/io/virtio_header.h"

#include <gtest/gtest.h>

#include <tuple>

namespace vpn::engine::io {
namespace {

// VIRTIO_NET_HDR_* of include/uapi/linux/virtio_net.h.
constexpr std::uint8_t kNeedsChecksum = 1;
constexpr std::uint8_t kDataValid = 2;

auto fields(const VirtioHeader& header) {
  return std::tuple(header.flags, header.gso_type, header.header_bytes, header.segment_bytes, header.checksum_start,
                    header.checksum_offset);
}

TEST(VirtioHeader, SaysThatChecksumsAreValid) {
  EXPECT_EQ(to_virtio({}).flags, 0);
  EXPECT_EQ(to_virtio({.checksum_valid = true}).flags, kDataValid);
  EXPECT_EQ(to_virtio({.checksum_partial = true}).flags, kNeedsChecksum);
}

TEST(VirtioHeader, DescribesSuperPacketsBothWays) {
  const std::pair<Segmentation, std::uint8_t> kTypes[] = {
      {Segmentation::kTcpV4, 1}, {Segmentation::kTcpV6, 4}, {Segmentation::kUdp, 5}};
  for (const auto& [segmentation, type] : kTypes) {
    const Offload offload{.segmentation = segmentation,
                          .checksum_partial = true,
                          .header_bytes = 52,
                          .segment_bytes = 1400,
                          .checksum_start = 20,
                          .checksum_offset = 16};
    const VirtioHeader header = to_virtio(offload);
    EXPECT_EQ(fields(header), fields({kNeedsChecksum, type, 52, 1400, 20, 16}));
    EXPECT_EQ(fields(to_virtio(from_virtio(header))), fields(header));
    EXPECT_EQ(from_virtio({.gso_type = static_cast<std::uint8_t>(type | 0x80)}).segmentation, segmentation);  // ECN
  }
}

TEST(VirtioHeader, LeavesZeroWhatDoesNotApply) {
  const VirtioHeader header =
      to_virtio({.header_bytes = 52, .segment_bytes = 1400, .checksum_start = 20, .checksum_offset = 16});
  EXPECT_EQ(fields(header), fields({}));
}

}  // namespace
}  // namespace vpn::engine::io
