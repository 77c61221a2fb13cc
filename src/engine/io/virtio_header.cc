#include "engine/io/virtio_header.h"

namespace vpn::engine::io {
namespace {

constexpr std::uint8_t kNeedsChecksum = 1;
constexpr std::uint8_t kDataValid = 2;
constexpr std::uint8_t kGsoTcpV4 = 1;
constexpr std::uint8_t kGsoTcpV6 = 4;
constexpr std::uint8_t kGsoUdpL4 = 5;
constexpr std::uint8_t kGsoEcn = 0x80;

std::uint8_t gso_type(Segmentation segmentation) {
  switch (segmentation) {
    case Segmentation::kNone:
      return 0;
    case Segmentation::kTcpV4:
      return kGsoTcpV4;
    case Segmentation::kTcpV6:
      return kGsoTcpV6;
    case Segmentation::kUdp:
      return kGsoUdpL4;
  }
  return 0;
}

}  // namespace

Offload from_virtio(const VirtioHeader& header) {
  Offload offload;
  switch (header.gso_type & ~kGsoEcn) {
    case kGsoTcpV4:
      offload.segmentation = Segmentation::kTcpV4;
      break;
    case kGsoTcpV6:
      offload.segmentation = Segmentation::kTcpV6;
      break;
    case kGsoUdpL4:
      offload.segmentation = Segmentation::kUdp;
      break;
    default:
      break;
  }
  offload.checksum_partial = (header.flags & kNeedsChecksum) != 0;
  offload.header_bytes = header.header_bytes;
  offload.segment_bytes = header.segment_bytes;
  offload.checksum_start = header.checksum_start;
  offload.checksum_offset = header.checksum_offset;
  return offload;
}

// What does not apply stays zero: kernels have refused headers with more in them.
VirtioHeader to_virtio(const Offload& offload) {
  VirtioHeader header;
  if (offload.checksum_valid) header.flags |= kDataValid;
  if (offload.checksum_partial) {
    header.flags |= kNeedsChecksum;
    header.checksum_start = offload.checksum_start;
    header.checksum_offset = offload.checksum_offset;
  }
  if (offload.segmentation != Segmentation::kNone) {
    header.gso_type = gso_type(offload.segmentation);
    header.segment_bytes = offload.segment_bytes;
    header.header_bytes = offload.header_bytes;
  }
  return header;
}

}  // namespace vpn::engine::io
