// KDF1, KDF2, KDF3 of the WireGuard paper, section 5.4: HKDF (RFC 5869) over HMAC-BLAKE2s with 1 to 3 outputs.
//
// Safe from any thread. Intermediates are wiped. An output may be the object that is the chaining key, or hold the
// input.
#pragma once

#include "base/bytes.h"
#include "base/secret.h"

namespace vpn::engine::crypto {

void kdf1(Secret<32>& first, const Secret<32>& chaining_key, ByteView input);
void kdf2(Secret<32>& first, Secret<32>& second, const Secret<32>& chaining_key, ByteView input);
void kdf3(Secret<32>& first, Secret<32>& second, Secret<32>& third, const Secret<32>& chaining_key, ByteView input);

}  // namespace vpn::engine::crypto
