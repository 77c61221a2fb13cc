#include "engine/protocol/timers.h"

#include <algorithm>
#include <utility>

namespace vpn::engine::protocol {

void Timers::data_sent(Instant now) {
  if (new_handshake_ == kNever) new_handshake_ = now + kKeepaliveTimeout + kRekeyTimeout + jitter_;
}

void Timers::data_received(Instant now) {
  if (send_keepalive_ == kNever) {
    send_keepalive_ = now + kKeepaliveTimeout;
  } else {
    need_another_keepalive_ = true;
  }
}

void Timers::any_authenticated_packet_sent() {
  send_keepalive_ = kNever;
}

void Timers::any_authenticated_packet_received() {
  new_handshake_ = kNever;
}

void Timers::any_authenticated_packet_traversal(Instant now) {
  if (persistent_keepalive_s_ != 0) persistent_keepalive_ = now + std::chrono::seconds(persistent_keepalive_s_);
}

void Timers::handshake_initiated(Instant now) {
  retransmit_handshake_ = now + kRekeyTimeout + jitter_;
}

void Timers::handshake_complete() {
  retransmit_handshake_ = kNever;
}

void Timers::session_derived(Instant now) {
  zero_keys_ = now + kZeroKeysAfter;
}

bool Timers::set_persistent_keepalive(std::uint16_t interval_s) {
  const bool was_off = persistent_keepalive_s_ == 0;
  persistent_keepalive_s_ = interval_s;
  if (interval_s == 0) persistent_keepalive_ = kNever;
  return was_off && interval_s != 0;
}

void Timers::passive_keepalive_sent(Instant now) {
  if (std::exchange(need_another_keepalive_, false)) send_keepalive_ = now + kKeepaliveTimeout;
}

void Timers::stop() {
  retransmit_handshake_ = send_keepalive_ = new_handshake_ = kNever;
  zero_keys_ = persistent_keepalive_ = initiation_ = kNever;
  need_another_keepalive_ = false;
}

void Timers::gave_up(Instant now) {
  send_keepalive_ = kNever;
  if (zero_keys_ == kNever) zero_keys_ = now + kZeroKeysAfter;
}

Instant Timers::earliest() const {
  return std::min(
      {retransmit_handshake_, send_keepalive_, new_handshake_, zero_keys_, persistent_keepalive_, initiation_});
}

Timers::Due Timers::take_due(Instant now) {
  const auto take = [now](Instant& deadline) {
    const bool due = deadline <= now;
    if (due) deadline = kNever;
    return due;
  };
  Due due;
  due.retransmit_handshake = take(retransmit_handshake_);
  due.send_keepalive = take(send_keepalive_);
  due.new_handshake = take(new_handshake_);
  due.zero_keys = take(zero_keys_);
  due.persistent_keepalive = take(persistent_keepalive_);
  due.initiation = take(initiation_);
  return due;
}

}  // namespace vpn::engine::protocol
