// WireGuard without a socket, thread, clock or random call of its own: events and `now` in, actions out.
//
// An Interface is what the paper calls a WireGuard interface: a private key, and peers with their cryptokey routing
// table. The device drives it with batches of packets and with time; a simulation drives it just the same.
//
// Locks. Every method may be called from any thread. The hot path, send() and receive(), takes a shared lock for the look-ups of
// a batch and each peer's short lock for its bookkeeping, never one over cryptography. The slow path
// (handshakes, timers, configuration) is serialized by one mutex of its own, which the hot path never takes.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/random.h"
#include "engine/protocol/config.h"
#include "engine/protocol/packet.h"

namespace vpn::engine::protocol {

class Interface {
 public:
  /// `now` starts the 180 s in which a data packet for a session of an earlier life names its peer (session_index.h).
  /// `random` is called under the slow path's mutex alone and outlives the interface.
  Interface(Random& random, Moment now);
  ~Interface();
  Interface(const Interface&) = delete;
  Interface& operator=(const Interface&) = delete;

  // --- Configuration ---

  /// Applies the private key and the peers (listen_port and fwmark are the device's). All or nothing:
  /// kExhausted above kMaxPeers. A peer with our own public key is left out silently, as in the kernel.
  Status configure(const InterfaceUpdate& update, Moment now, Actions& actions);
  /// Bounds the padding of data packets (kernel send.c: calculate_skb_padding). 0: no bound.
  void set_mtu(std::size_t mtu_bytes);
  /// Down: staged packets and keys are wiped, nothing is sent. Up: peers with a persistent keepalive begin.
  void set_up(bool up, Moment now, Actions& actions);
  /// listen_port and fwmark are left 0.
  InterfaceSnapshot snapshot() const;

  // --- Packets: the hot path ---

  /// Inner packets towards peers. Each packet's verdict is set; those to send are sealed in place, those whose peer has no
  /// session are copied and wait. Batches may be of any size; 64 is a good one.
  void send(std::span<OutboundPacket> packets, Moment now, Actions& actions);

  /// Datagrams from the network. Data packets are opened in place and their verdict set; handshake messages are copied to a bounded
  /// queue for process_handshakes().
  void receive(std::span<InboundDatagram> datagrams, Moment now, Actions& actions);

  // --- Handshakes and time: the slow path ---

  /// Works on up to `budget` queued handshake messages, about 120 us each when valid. Returns how many still wait.
  std::size_t process_handshakes(std::size_t budget, Moment now, Actions& actions);

  /// When expire() is next due; Instant::max() when nothing is. Changes with every call above: read it after each batch.
  Instant next_deadline() const;
  /// Runs what is due: retries, keepalives, rekeys that send() or receive() asked for, the wiping of old keys.
  void expire(Moment now, Actions& actions);

  // --- What others may watch ---

  /// Endpoints learned, and handshakes completed, since the last call, one entry per peer.
  std::vector<LearnedEndpoint> take_learned_endpoints();
  /// True when take_learned_endpoints() would not be empty: one relaxed load.
  bool has_learned_endpoints() const;
  /// Handshake messages dropped in process_handshakes(), by reason, since the start (indexed by DropReason).
  std::vector<std::uint64_t> handshake_drops() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vpn::engine::protocol
