// mac1, mac2 and cookies (WireGuard paper, sections 5.3, 5.4.4 and 5.4.7; kernel cookie.c): proof that a handshake's
// sender knows whom it calls and, under load, that it owns the address it calls from.
//
// Both classes belong to the Interface's slow path; not thread-safe. A `message` is a whole handshake message, its last
// 32 bytes mac1 and mac2.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ip.h"
#include "base/key.h"
#include "base/random.h"
#include "base/secret.h"
#include "engine/crypto/aead.h"
#include "engine/crypto/blake2s.h"
#include "engine/protocol/messages.h"

namespace vpn::engine::protocol {

/// Proof that its holder receives what is sent to an address and port.
using Cookie = Secret<crypto::kMacSize>;

/// The receiver's side, one for an interface.
class CookieChecker {
 public:
  /// To be called before all else, and again when the private key changes.
  void set_public_key(const PublicKey& own);

  /// True when the message was made for our public key.
  bool verify_mac1(ByteView message) const;
  /// True when the message carries the cookie of its source: address and port.
  bool verify_mac2(ByteView message, const Endpoint& source, Instant now, Random& random);
  /// The cookie of `source`, sealed for the sender of `message`, which passed verify_mac1(). `sender_index` is the
  /// message's.
  CookieReply make_reply(ByteView message, std::uint32_t sender_index, const Endpoint& source, Instant now,
                         Random& random);

 private:
  Cookie make_cookie(const Endpoint& source, Instant now, Random& random);
  crypto::XAeadNonce next_nonce(Random& random);

  crypto::Hash mac1_key_{};
  crypto::AeadKey cookie_key_;
  Secret<32> secret_;  ///< what cookies are made from; changed every kCookieSecretMaxAge
  Instant secret_made_at_{};
  bool has_secret_ = false;
  std::array<crypto::XAeadNonce, 64> nonces_;  ///< no secrets, drawn together: a flood asks for very many
  std::size_t nonces_left_ = 0;
};

/// The sender's side, one for each of up to 2^20 peers: 80 bytes. The two keys are derived anew when needed, one block
/// of BLAKE2s each.
class CookieGenerator {
 public:
  explicit CookieGenerator(const PublicKey& peer) : peer_(peer) {}

  /// Fills in mac1 and, while the peer's last cookie is fresh, mac2 (else zeros).
  void add_macs(MutableBytes message, Instant now);
  /// Takes the cookie of a reply to the last message of add_macs(). False, and nothing changed, when no message waits
  /// for one or the reply is not authentic; each message takes one reply.
  bool consume(const CookieReply& reply, Instant now);

 private:
  PublicKey peer_;
  crypto::Mac last_mac1_{};
  Cookie cookie_;
  Instant cookie_received_at_{};
  bool has_cookie_ = false;
  bool awaits_reply_ = false;
};

}  // namespace vpn::engine::protocol
