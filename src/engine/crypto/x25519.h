// Curve25519 Diffie-Hellman (RFC 7748 section 5) and the keys made with it.
//
// Safe from any thread. Besides the engine, the control of clients and the command line use this header to make and
// check keys.
#pragma once

#include "base/key.h"
#include "base/random.h"

namespace vpn::engine::crypto {

using SharedSecret = Secret<32>;

/// The shared secret of a private and a public key. False when it is all zeros, which only a low-order point gives
/// (RFC 7748 section 6.1): the caller aborts.
[[nodiscard]] bool x25519(SharedSecret& out, const Secret<kKeySize>& private_key, const PublicKey& public_key);

/// The key in the form that the curve uses (RFC 7748 section 5: decodeScalar25519); its public key is the same.
PrivateKey clamp(PrivateKey key);
/// A fresh private key, clamped.
PrivateKey generate_private_key(Random& random);
PublicKey derive_public_key(const Secret<kKeySize>& private_key);

/// True for the points that give the same secret, zero, to everyone. A client with such a key is refused.
bool is_low_order(const PublicKey& key);

}  // namespace vpn::engine::crypto
