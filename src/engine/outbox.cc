#include "engine/outbox.h"

namespace vpn::engine {

void Outbox::add(const protocol::Actions& actions) {
  for (std::size_t i = 0; i < actions.datagram_count(); ++i) {
    const protocol::Actions::Datagram datagram = actions.datagram(i);
    datagrams_.push_back({datagram.bytes, &datagram.path, datagram.traffic_class});
  }
}

void Outbox::add(const protocol::OutboundPacket& packet, const protocol::Actions& actions) {
  datagrams_.push_back({packet.datagram, &actions.paths()[packet.path], packet.traffic_class});
}

void Outbox::send(io::Udp* sockets, Counters& counters) {
  if (datagrams_.empty()) return;
  if (sockets != nullptr) {
    counters.add(sockets->send(datagrams_));
  } else {
    counters.add(Counter::kUdpSendsDropped, datagrams_.size());
  }
  datagrams_.clear();
}

}  // namespace vpn::engine
