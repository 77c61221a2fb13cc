// From the TUN device to the network: read, segment, seal, send, to completion (kernel send.c, device.c: wg_xmit).
//
// One worker's.
#pragma once

#include <vector>

#include "engine/counters.h"
#include "engine/crypto/aead.h"
#include "engine/icmp.h"
#include "engine/io/segment.h"
#include "engine/io/tun.h"
#include "engine/io/udp.h"
#include "engine/outbox.h"
#include "engine/protocol/interface.h"

namespace vpn::engine {

class Sender {
 public:
  /// All outlive this.
  Sender(io::Tun& tun, protocol::Interface& interface, crypto::Aead& aead, Counters& counters);

  /// Takes one batch from the TUN device through the core to the sockets, which may be none. False once the device is
  /// gone.
  [[nodiscard]] bool run(io::Udp* sockets, protocol::Moment now);

 private:
  /// Packets of one call into the core.
  static constexpr std::size_t kMaxBatch = 128;

  void add_segments(const io::TunPacket& packet, io::Udp* sockets, protocol::Moment now);
  MutableBytes segment_room(std::size_t size);
  void flush(io::Udp* sockets, protocol::Moment now);
  void answer_unreachable(ByteView dropped, Instant now);

  io::Tun& tun_;
  protocol::Interface& interface_;
  crypto::Aead& aead_;
  Counters& counters_;

  io::TunReadBatch read_;
  std::vector<std::uint8_t> segments_;  ///< of the super-packets of this batch, each with room to be sealed
  std::size_t segments_used_ = 0;
  std::vector<protocol::OutboundPacket> packets_;
  protocol::Actions actions_;
  Outbox outbox_;
  IcmpLimiter icmp_limiter_;
};

}  // namespace vpn::engine
