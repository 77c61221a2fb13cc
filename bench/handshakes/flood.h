// Initiations that anyone can send who knows an interface's public key, from addresses that are not the sender's.
#pragma once

#include <cstdint>

#include "base/error.h"
#include "base/ip.h"
#include "base/key.h"

namespace vpn::bench {

struct Flood {
  Endpoint called;  ///< IPv4
  PublicKey public_key;
  std::uint32_t per_second = 0;
  std::uint32_t seconds = 0;
};

/// Sends them evenly, and gives how many. Each has a right mac1 and is random behind it; the sources are drawn of
/// 10.128.0.0/9.
Result<std::uint64_t> flood(const Flood& flood);

}  // namespace vpn::bench
