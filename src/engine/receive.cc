#include "engine/receive.h"

#include <algorithm>

namespace vpn::engine {

using protocol::InboundDatagram;

Receiver::Receiver(io::Tun& tun, protocol::Interface& interface, crypto::Aead& aead, Counters& counters)
    : tun_(tun), interface_(interface), aead_(aead), counters_(counters) {
  datagrams_.reserve(kUsualBatch);
}

bool Receiver::run(io::Udp& sockets, IpFamily family, protocol::Moment now) {
  read_.clear();
  sockets.receive(family, read_);
  split_received();
  if (datagrams_.empty()) return false;

  actions_.clear();
  interface_.receive(datagrams_, now, aead_, actions_);

  bool handshakes = false;
  coalescer_.begin(tun_.takes_tcp_super_packets(), tun_.takes_udp_super_packets());
  for (const InboundDatagram& datagram : datagrams_) {
    switch (datagram.verdict) {
      case InboundDatagram::Verdict::kDeliver:
        coalescer_.add(datagram.inner);
        counters_.add(Counter::kTunBytesWritten, datagram.inner.size());
        break;
      case InboundDatagram::Verdict::kHandshakeQueued:
        handshakes = true;
        break;
      case InboundDatagram::Verdict::kDropped:
        counters_.add_drop(datagram.reason);
        break;
      case InboundDatagram::Verdict::kKeepalive:
        break;
    }
  }
  counters_.add(tun_.write(coalescer_.finish()));
  outbox_.add(actions_);
  outbox_.send(&sockets, counters_);
  return handshakes;
}

// What UDP_GRO joined comes apart again.
void Receiver::split_received() {
  datagrams_.clear();
  for (const io::ReceivedDatagrams& received : read_.received()) {
    for (MutableBytes rest = received.bytes; !rest.empty();) {
      const std::size_t size = std::min(rest.size(), received.segment_bytes);
      datagrams_.push_back(
          {.bytes = rest.first(size), .path = &received.path, .traffic_class = received.traffic_class, .inner = {}});
      rest = rest.subspan(size);
    }
    counters_.add(Counter::kUdpBytesReceived, received.bytes.size());
    counters_.add(Counter::kUdpCoalescedReceives, received.bytes.size() > received.segment_bytes);
  }
  counters_.add(Counter::kUdpDatagramsReceived, datagrams_.size());
}

}  // namespace vpn::engine
