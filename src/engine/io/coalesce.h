// Gathering decrypted packets of one flow into super-packets for the TUN device, as the kernel's GRO does
// (net/ipv4/tcp_offload.c: tcp_gro_receive; udp_offload.c: udp_gro_receive).
//
// Nothing is copied but headers: a super-packet is the first packet's header, rewritten in scratch memory, and every
// packet's payload where it lies. The packets stay as they were. The order within a flow is kept; a packet that cannot
// be merged goes alone, and so does one with a wrong checksum, which the kernel would put right on a super-packet's
// way. One worker's; used again for every batch, so it stops allocating once it is warm.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "engine/io/tun.h"

namespace vpn::engine::io {

class Coalescer {
 public:
  /// Starts a batch. Without tcp or udp, such packets go one by one.
  void begin(bool tcp, bool udp);

  /// A whole IP packet, at least its header long. Its bytes must stay until the batch is written.
  void add(ByteView packet);

  /// The batch as writes, valid until begin().
  std::span<const TunWrite> finish();

 private:
  static constexpr std::size_t kNone = SIZE_MAX;
  /// IPv4 without options or IPv6 without extension headers, and TCP with 40 bytes of options.
  static constexpr std::size_t kMaxHeaderBytes = 40 + 60;

  struct Packet {
    ByteView bytes;
    std::size_t next = kNone;  ///< of the same group
  };
  /// Packets that become one write.
  struct Group {
    std::size_t first;
    std::size_t last;
    std::size_t count = 1;
    std::uint64_t flow = 0;        ///< hash of addresses, ports and protocol
    std::size_t header_bytes = 0;  ///< 0: a packet of no mergeable kind
    std::size_t segment_bytes = 0;
    std::size_t payload_bytes = 0;
    bool open = false;     ///< another may join
    bool checked = false;  ///< the first packet's checksums are right
  };
  using Header = std::array<std::uint8_t, kMaxHeaderBytes>;

  bool join(Group& group, ByteView packet, std::size_t header_bytes, bool closes);
  void finish_alone(const Group& group);
  void finish_merged(const Group& group, Header& header);

  bool tcp_ = false;
  bool udp_ = false;
  std::vector<Packet> packets_;
  std::vector<Group> groups_;
  std::vector<Header> headers_;
  std::vector<iovec> pieces_;
  std::vector<TunWrite> writes_;
};

}  // namespace vpn::engine::io
