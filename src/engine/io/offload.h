// What segmentation and checksum work a packet of the TUN device still has before it: the host-order form of the
// kernel's struct virtio_net_hdr (linux/virtio_net.h), which accompanies every packet read and written.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vpn::engine::io {

/// How a super-packet falls into packets. kUdp is datagrams of equal size (USO), not IP fragments.
enum class Segmentation : std::uint8_t { kNone, kTcpV4, kTcpV6, kUdp };

struct Offload {
  Segmentation segmentation = Segmentation::kNone;
  /// The checksum field holds the pseudo header's sum alone: whoever segments or takes the packet completes it over the
  /// bytes from checksum_start to the end.
  bool checksum_partial = false;
  /// The packet's checksums need no look: it came out of the AEAD as its sender wrote it (kernel receive.c:
  /// wg_packet_consume_data_done, CHECKSUM_UNNECESSARY).
  bool checksum_valid = false;
  std::uint16_t header_bytes = 0;     ///< IP and transport header together
  std::uint16_t segment_bytes = 0;    ///< payload of each packet but the last, which may be shorter
  std::uint16_t checksum_start = 0;   ///< where the transport header begins
  std::uint16_t checksum_offset = 0;  ///< of the checksum field in the transport header
};

/// The largest packet a TUN device hands over: an IPv6 header and the 65535 bytes its length field can say.
constexpr std::size_t kMaxPacketBytes = 40 + 65535;

}  // namespace vpn::engine::io
