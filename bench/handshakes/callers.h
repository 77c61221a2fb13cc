// Peers that call a WireGuard interface: their keys, which come again from their numbers, and real initiations of
// theirs.
//
// No socket and no thread. A Call keeps what its answer is judged by.
#pragma once

#include <cstdint>
#include <vector>

#include "base/clock.h"
#include "base/key.h"
#include "engine/protocol/cookie.h"
#include "engine/protocol/messages.h"
#include "engine/protocol/noise.h"

namespace vpn::bench {

/// The key pair of a caller: the same in every run, so that who configures the interface asks for the public keys
/// alone.
engine::protocol::StaticIdentity identity_of(std::uint32_t caller);

/// One handshake, begun.
struct Call {
  explicit Call(const PublicKey& called) : handshake(called), cookie(called) {}

  engine::protocol::Handshake handshake;
  engine::protocol::CookieGenerator cookie;
  engine::protocol::HandshakeInitiation message;
};

class Callers {
 public:
  Callers(const PublicKey& called, std::uint32_t count);

  /// An initiation of every caller, `rounds` times over; a caller's next is 20 ms later than its last, so that it is
  /// taken for a new one. Call number i has the sender index i.
  std::vector<Call> call(std::uint32_t rounds, Instant now, WallTime wall) const;

  /// True when the response answers that call and nobody but the called can have made it. To be asked once for a call.
  bool is_answer(std::vector<Call>& calls, const engine::protocol::HandshakeResponse& response) const;

 private:
  PublicKey called_;
  std::vector<engine::protocol::StaticIdentity> identities_;
};

}  // namespace vpn::bench
