// A queue of the TUN device as the engine sees it: batches of packets with their offload metadata, both ways.
//
// A device has one queue for each worker; the packets of a flow are read from one queue, and where the engine writes to
// a flow, from the queue it wrote to (kernel drivers/net/tun.c: tun_flow_update). LinuxTun (linux_tun.h) is the real
// one, MemoryTun (memory_link.h) the tests'. read() and write() may be called by several threads at once; the kernel
// keeps packets whole.
#pragma once

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "engine/io/offload.h"

namespace vpn::engine::io {

/// One packet, or super-packet, as read.
struct TunPacket {
  MutableBytes bytes;
  Offload offload;
};

/// The packets of one read in one arena, each with room around it to be sealed in place. One worker's; used again for
/// every read, so it allocates once.
class TunReadBatch {
 public:
  /// `headroom` bytes before and `tailroom` behind each packet are the caller's to write.
  TunReadBatch(std::size_t headroom, std::size_t tailroom);

  void clear();
  std::span<const TunPacket> packets() const { return packets_; }

  /// Where the next packet goes: kMaxPacketBytes, or nothing once the batch is full.
  MutableBytes room();
  /// room()'s first `size` bytes are a packet.
  void add(std::size_t size, const Offload& offload);

 private:
  static constexpr std::size_t kMaxPackets = 64;
  /// Two packets of the largest size: a second super-packet is read while the first fills half of a batch.
  static constexpr std::size_t kArenaBytes = 132 * 1024;

  std::size_t headroom_;
  std::size_t tailroom_;
  std::vector<std::uint8_t> arena_;
  std::size_t used_ = 0;
  std::vector<TunPacket> packets_;
};

/// More pieces than this are never in one write.
constexpr std::size_t kMaxPieces = 256;

/// One packet, or super-packet, to write, in pieces that follow each other.
struct TunWrite {
  Offload offload;
  std::span<const iovec> pieces;  ///< at most kMaxPieces
  std::size_t size = 0;           ///< of the pieces together
};

/// Super-packets by the offload that they are of.
struct SuperPacketCount {
  std::size_t tcp = 0;
  std::size_t udp = 0;

  void add(Segmentation segmentation) { segmentation == Segmentation::kUdp ? ++udp : ++tcp; }
};

/// What became of the packets of one call.
struct TunWriteReport {
  std::size_t written = 0;              ///< packets taken whole, super-packets among them
  SuperPacketCount super_packets = {};  ///< of those
  SuperPacketCount resegmented = {};    ///< that the kernel refused, so that they went packet by packet
  std::size_t dropped = 0;
};

class Tun {
 public:
  virtual ~Tun() = default;

  /// The device's.
  virtual const std::string& name() const = 0;
  virtual int mtu_bytes() const = 0;
  /// Readable (level-triggered) while packets wait; in error once the device is gone.
  virtual int fd() const = 0;

  /// Which super-packets write() should get. After the kernel refused one, none of its kind for a while.
  virtual bool takes_tcp_super_packets() const = 0;
  virtual bool takes_udp_super_packets() const = 0;

  /// Adds waiting packets to the batch until none waits or it is full; never blocks. False once the device is gone.
  [[nodiscard]] virtual bool read(TunReadBatch& batch) = 0;

  /// Writes packets in order; never blocks. What the kernel does not take is dropped and counted.
  virtual TunWriteReport write(std::span<const TunWrite> packets) = 0;
};

/// The queues of one device, at least one.
using TunQueues = std::vector<std::unique_ptr<Tun>>;

}  // namespace vpn::engine::io
