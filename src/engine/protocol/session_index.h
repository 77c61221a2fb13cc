// Receiver indices that look random and yet name their peer after a restart.
//
// WireGuard asks for a random, unique 32-bit index per handshake. Ours is a keyed permutation of (tag of the peer,
// counter), its key derived from the interface's private key: to an observer it is as good as random, every pair gives
// another index, and the gateway's next life, holding the same key, can read the tag of a session it has forgotten and
// call that peer at once. A guess that names a peer proves nothing: the caller may answer with no more than one
// handshake initiation.
//
// Immutable; safe from any thread.
#pragma once

#include <cstdint>

#include "base/key.h"
#include "engine/crypto/siphash.h"

namespace vpn::engine::protocol {

class SessionIndex {
 public:
  static constexpr unsigned kTagBits = 20;
  static constexpr unsigned kCounterBits = 12;

  /// What an index holds.
  struct Opened {
    std::uint32_t tag = 0;      ///< kTagBits; with many peers several share one
    std::uint32_t counter = 0;  ///< kCounterBits
    bool operator==(const Opened&) const = default;
  };

  explicit SessionIndex(const PrivateKey& own);

  /// A keyed hash of the peer's public key, kTagBits long.
  std::uint32_t tag(const PublicKey& peer) const;
  /// Of `tag` and `counter` the low kTagBits and kCounterBits count.
  std::uint32_t index(std::uint32_t tag, std::uint32_t counter) const;
  /// The inverse of index().
  Opened open(std::uint32_t index) const;

 private:
  std::uint16_t round(unsigned number, std::uint16_t half) const;

  crypto::SipHashKey tag_key_;
  crypto::SipHashKey permutation_key_;
};

}  // namespace vpn::engine::protocol
