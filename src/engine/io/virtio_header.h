// The header before every packet that a TUN device hands over or takes: Offload as the kernel writes it down (struct
// virtio_net_hdr of include/uapi/linux/virtio_net.h, which itself is no C++: a member is called `class`).
#pragma once

#include <cstdint>

#include "engine/io/offload.h"

namespace vpn::engine::io {

/// In the machine's byte order, as TUN devices have it unless told otherwise.
struct VirtioHeader {
  std::uint8_t flags = 0;
  std::uint8_t gso_type = 0;
  std::uint16_t header_bytes = 0;
  std::uint16_t segment_bytes = 0;
  std::uint16_t checksum_start = 0;
  std::uint16_t checksum_offset = 0;
};
static_assert(sizeof(VirtioHeader) == 10);

Offload from_virtio(const VirtioHeader& header);
VirtioHeader to_virtio(const Offload& offload);

}  // namespace vpn::engine::io
