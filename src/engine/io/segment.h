// Splitting a super-packet into the packets it stands for (TSO and USO in software), one at a time into the caller's
// buffers.
//
// A value that borrows the super-packet. One thread.
#pragma once

#include <optional>

#include "base/bytes.h"
#include "engine/io/offload.h"

namespace vpn::engine::io {

class Segmenter {
 public:
  /// `packet` is an IPv4 or IPv6 packet whose offload.segmentation is not kNone, and must outlive this. nullopt when
  /// the headers and the metadata contradict each other.
  static std::optional<Segmenter> open(ByteView packet, const Offload& offload);

  /// The size of the next packet in bytes; 0 when there are no more.
  std::size_t next_size() const;

  /// Writes the next packet, next_size() > 0 bytes, with its lengths, identification, sequence number, flags and
  /// checksums as the sender's own TCP or UDP would have written them (kernel net/ipv4/tcp_offload.c: tcp_gso_segment).
  void write_next(std::uint8_t* to);

 private:
  Segmenter(ByteView packet, const Offload& offload, std::size_t header_bytes);

  void write_ip_header(std::uint8_t* to, std::size_t packet_bytes) const;
  void write_tcp_fields(std::uint8_t* tcp, bool last) const;

  ByteView header_;
  ByteView payload_;
  std::size_t segment_bytes_;
  std::size_t transport_start_;
  std::size_t checksum_offset_;
  bool tcp_;
  std::uint64_t pseudo_sum_;  ///< without the length
  std::size_t written_ = 0;   ///< payload bytes of the packets before this one
  std::uint16_t index_ = 0;
};

/// Completes a partial checksum of a whole packet in place (kernel net/core/dev.c: skb_checksum_help). False when the
/// metadata points outside the packet.
[[nodiscard]] bool complete_checksum(MutableBytes packet, const Offload& offload);

}  // namespace vpn::engine::io
