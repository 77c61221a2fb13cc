// UDP as the engine sees it: one port on IPv4 and IPv6, batches of datagrams both ways.
//
// LinuxUdp (linux_udp.h) is the real one, MemoryUdp (memory_link.h) the tests'. Safe from any thread; a batch belongs
// to its caller.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "base/bytes.h"
#include "base/error.h"
#include "base/ip.h"
#include "engine/protocol/packet.h"

namespace vpn::engine::io {

/// Datagrams of one sender that came together: segment_bytes each, the last may be shorter.
struct ReceivedDatagrams {
  MutableBytes bytes;
  std::size_t segment_bytes = 0;  ///< greater than 0
  protocol::Path path;
  std::uint8_t traffic_class = 0;
};

/// The datagrams of one receive in one arena. One worker's; used again for every receive, so it allocates once.
class UdpReadBatch {
 public:
  /// Receives of one call. What is not touched of the arena costs no memory.
  static constexpr std::size_t kMaxReceives = 16;
  /// A datagram is at most 65,535 bytes with its header, and so is what UDP_GRO joins: none is cut off.
  static constexpr std::size_t kMaxReceiveBytes = 65536;

  UdpReadBatch();

  void clear() { received_.clear(); }
  std::span<const ReceivedDatagrams> received() const { return received_; }

  /// Where the receive number `index` < kMaxReceives goes: kMaxReceiveBytes.
  MutableBytes room(std::size_t index);
  void add(const ReceivedDatagrams& datagrams) { received_.push_back(datagrams); }

 private:
  std::unique_ptr<std::uint8_t[]> arena_;
  std::vector<ReceivedDatagrams> received_;
};

struct OutgoingDatagram {
  ByteView bytes;
  const protocol::Path* path = nullptr;
  std::uint8_t traffic_class = 0;
};

/// What became of the datagrams of one call.
struct UdpSendReport {
  std::size_t sent = 0;
  std::size_t segmented_sends = 0;  ///< system messages that carried several datagrams
  std::size_t unsegmented = 0;      ///< of those refused, and sent one by one
  std::size_t source_retries = 0;   ///< sent again without their source address, which is ours no more
  std::size_t dropped = 0;
};

class Udp {
 public:
  virtual ~Udp() = default;

  /// The port in use, on both families.
  virtual std::uint16_t port() const = 0;
  /// Readable (level-triggered) while datagrams wait; -1 when the machine does not have the family.
  virtual int fd(IpFamily family) const = 0;
  /// Marks what is sent, for policy routing (SO_MARK). 0: none.
  virtual Status set_fwmark(std::uint32_t fwmark) = 0;

  /// Adds what waits, at most one batch; never blocks.
  virtual void receive(IpFamily family, UdpReadBatch& batch) = 0;

  /// Sends in order; never blocks: what finds the socket's buffer full is dropped, as a full queue of a device drops.
  /// Neighbours of equal size, path and traffic class may leave as one segmented message.
  virtual UdpSendReport send(std::span<const OutgoingDatagram> datagrams) = 0;
};

/// Sockets on one port. The datagrams of one sender come to one of them.
using UdpSockets = std::vector<std::shared_ptr<Udp>>;

/// Opens `count` > 0 of them, each with both families; port 0 takes a free one. kUnavailable when the port is taken.
using UdpOpener = std::function<Result<UdpSockets>(std::uint16_t port, std::uint32_t fwmark, std::size_t count)>;

}  // namespace vpn::engine::io
