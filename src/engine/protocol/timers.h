// The five timers of a peer, as deadlines in a plain value (kernel timers.c).
//
//   retransmit_handshake   an initiation was not answered: send it again, up to 18 times
//   send_keepalive         data came in and nothing went out for 10 s: tell the other side that we live
//   new_handshake          data went out and nothing came in for 15 s: the session may be dead, begin another
//   zero_keys              no new session for 540 s: wipe every key
//   persistent_keepalive   nothing passed for the interval that the user set: keep the NAT's mapping open
//
// No clock, no callback: events move deadlines, the interface asks earliest() and, when that has come, take_due(). A
// cost of a few compares per batch. Belongs to its peer and is guarded by the peer's mutex.
#pragma once

#include <chrono>
#include <cstdint>

#include "base/clock.h"
#include "engine/protocol/constants.h"

namespace vpn::engine::protocol {

constexpr Instant kNever = Instant::max();

class Timers {
 public:
  /// What take_due() found to be due.
  struct Due {
    bool retransmit_handshake = false;
    bool send_keepalive = false;
    bool new_handshake = false;
    bool zero_keys = false;
    bool persistent_keepalive = false;
    bool initiation = false;  ///< not a timer: send() or receive() asked for a handshake

    bool any() const {
      return retransmit_handshake || send_keepalive || new_handshake || zero_keys || persistent_keepalive || initiation;
    }
  };

  // Events. Each is named as its function in the kernel's timers.c.

  /// Called after a data packet, not a keepalive, was sent.
  void data_sent(Instant now);
  /// Called after a data packet, not a keepalive, was received and authenticated.
  void data_received(Instant now);
  /// Called before any authenticated packet is sent: handshake, keepalive or data.
  void any_authenticated_packet_sent();
  /// Called after any authenticated packet was received.
  void any_authenticated_packet_received();
  /// Called before any authenticated packet passes, either way.
  void any_authenticated_packet_traversal(Instant now);
  /// Called after an initiation was sent.
  void handshake_initiated(Instant now);
  /// Called when a session is confirmed: the initiator got the response, the responder the first data packet.
  void handshake_complete();
  /// Called after an ephemeral key was made, by a response sent or received: 540 s from now the keys go.
  void session_derived(Instant now);

  // What else moves them.

  /// 0: off. True when it was off before and is on now: one is to be sent at once.
  bool set_persistent_keepalive(std::uint16_t interval_s);
  std::uint16_t persistent_keepalive_s() const { return persistent_keepalive_s_; }
  /// Asks for a handshake at the next take_due(). Idempotent.
  void want_initiation(Instant now) { initiation_ = now; }
  /// Called after the keepalive that send_keepalive asked for went out: data came in meanwhile, so another follows.
  void passive_keepalive_sent(Instant now);
  /// Called when the interface goes down: nothing is armed any more.
  void stop();
  /// Called when an initiator gives up: keys still held are wiped in due time.
  void gave_up(Instant now);
  /// No persistent keepalive until something authenticated passes again.
  void rest() { persistent_keepalive_ = kNever; }
  /// The random delay of retries and new handshakes, in [0, kRekeyTimeoutJitterMax]; drawn on the slow path.
  void set_jitter(std::chrono::nanoseconds jitter) { jitter_ = jitter; }

  /// The next deadline; kNever when none is armed.
  Instant earliest() const;
  /// Disarms and returns what is due at `now`.
  Due take_due(Instant now);

 private:
  Instant retransmit_handshake_ = kNever;
  Instant send_keepalive_ = kNever;
  Instant new_handshake_ = kNever;
  Instant zero_keys_ = kNever;
  Instant persistent_keepalive_ = kNever;
  Instant initiation_ = kNever;
  std::chrono::nanoseconds jitter_{0};
  std::uint16_t persistent_keepalive_s_ = 0;
  bool need_another_keepalive_ = false;
};

}  // namespace vpn::engine::protocol
