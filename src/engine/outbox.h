// Datagrams on their way to the sockets: those of a batch and those of the core's own making, gathered for one send.
//
// One thread's; used again for every batch, so it stops allocating once it is warm.
#pragma once

#include <vector>

#include "engine/counters.h"
#include "engine/io/udp.h"
#include "engine/protocol/packet.h"

namespace vpn::engine {

class Outbox {
 public:
  /// Adds what the core made itself. `actions` stays as it is until send().
  void add(const protocol::Actions& actions);
  /// Adds a packet whose verdict is kSend.
  void add(const protocol::OutboundPacket& packet, const protocol::Actions& actions);

  /// Sends all and is empty again. Without sockets (the link is down) all is dropped.
  void send(io::Udp* sockets, Counters& counters);

 private:
  std::vector<io::OutgoingDatagram> datagrams_;
};

}  // namespace vpn::engine
