// SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed hash of short inputs, for tables whose keys an attacker chooses
// and as the round function of session_index. Safe from any thread.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/secret.h"

namespace vpn::engine::crypto {

using SipHashKey = Secret<16>;

std::uint64_t siphash(const SipHashKey& key, ByteView input);

}  // namespace vpn::engine::crypto
