// From the network to the TUN device: receive, open, merge, write, to completion (kernel receive.c).
//
// One worker's.
#pragma once

#include <vector>

#include "engine/counters.h"
#include "engine/crypto/aead.h"
#include "engine/io/coalesce.h"
#include "engine/io/tun.h"
#include "engine/io/udp.h"
#include "engine/outbox.h"
#include "engine/protocol/interface.h"

namespace vpn::engine {

class Receiver {
 public:
  /// All outlive this.
  Receiver(io::Tun& tun, protocol::Interface& interface, crypto::Aead& aead, Counters& counters);

  /// Takes one batch from the sockets through the core to the TUN device. True when something may wait for
  /// Interface::process_handshakes() now.
  bool run(io::Udp& sockets, IpFamily family, protocol::Moment now);

 private:
  /// Reserved for datagrams of one batch: sixteen receives of 64 datagrams, the most that UDP_GRO joins.
  static constexpr std::size_t kUsualBatch = io::UdpReadBatch::kMaxReceives * 64;

  void split_received();

  io::Tun& tun_;
  protocol::Interface& interface_;
  crypto::Aead& aead_;
  Counters& counters_;

  io::UdpReadBatch read_;
  std::vector<protocol::InboundDatagram> datagrams_;
  io::Coalescer coalescer_;
  protocol::Actions actions_;
  Outbox outbox_;
};

}  // namespace vpn::engine
