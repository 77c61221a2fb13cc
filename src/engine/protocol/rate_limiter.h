// How many handshakes one source may start (kernel ratelimiter.c): a token bucket for each IPv4 address and each IPv6
// /64.
//
// Consulted only for a source that a cookie has proven, so an attacker cannot fill it with addresses that are not his.
// Belongs to the Interface's slow path; not thread-safe.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <unordered_map>

#include "base/clock.h"
#include "base/ip.h"
#include "base/random.h"
#include "engine/crypto/siphash.h"

namespace vpn::engine::protocol {

class RateLimiter {
 public:
  static constexpr unsigned kHandshakesPerSecond = 20;
  static constexpr unsigned kBurst = 5;
  /// As the kernel on a machine of 1 GB or more. A new source is refused while the table is full.
  static constexpr std::size_t kMaxSources = 65536;

  /// `random` gives the hash's key and is not kept.
  explicit RateLimiter(Random& random);

  /// Takes a token of the bucket of `source`, an address of either family; false when there is none. `now` never goes
  /// back. Once a second the call also sweeps the table.
  bool allow(const IpAddress& source, Instant now);

  std::size_t size() const { return buckets_.size(); }

 private:
  using Duration = std::chrono::nanoseconds;
  static constexpr Duration kCost = Duration(std::chrono::seconds(1)) / kHandshakesPerSecond;
  static constexpr Duration kCapacity = kCost * kBurst;
  static constexpr Duration kSweepInterval = std::chrono::seconds(1);

  struct Source {
    std::uint64_t network = 0;  ///< the IPv4 address, or the first 8 bytes of the IPv6 one
    IpFamily family = IpFamily::kNone;
    bool operator==(const Source&) const = default;
  };
  struct SourceHash {
    explicit SourceHash(Random& random);
    crypto::SipHashKey key;
    std::size_t operator()(const Source& source) const;
  };
  struct Bucket {
    Instant filled_at;
    Duration tokens;
  };

  void sweep(Instant now);

  std::unordered_map<Source, Bucket, SourceHash> buckets_;
  Instant swept_at_{};
};

}  // namespace vpn::engine::protocol
