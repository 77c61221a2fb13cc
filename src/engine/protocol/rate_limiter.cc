#include "engine/protocol/rate_limiter.h"

#include <algorithm>
#include <array>

namespace vpn::engine::protocol {

RateLimiter::RateLimiter(Random& random) : buckets_(0, SourceHash(random)) {}

RateLimiter::SourceHash::SourceHash(Random& random) {
  random.fill(key.reveal_mutable());
}

std::size_t RateLimiter::SourceHash::operator()(const Source& source) const {
  std::array<std::uint8_t, 9> bytes;
  store_be64(bytes.data(), source.network);
  bytes[8] = static_cast<std::uint8_t>(source.family);
  return static_cast<std::size_t>(crypto::siphash(key, bytes));
}

bool RateLimiter::allow(const IpAddress& source, Instant now) {
  if (now - swept_at_ >= kSweepInterval) sweep(now);

  const Source key{source.is_v4() ? source.v4_host_order() : load_be64(source.bytes().data()), source.family()};
  const auto found = buckets_.find(key);
  if (found == buckets_.end()) {
    if (buckets_.size() >= kMaxSources) return false;
    buckets_.emplace(key, Bucket{.filled_at = now, .tokens = kCapacity - kCost});
    return true;
  }
  Bucket& bucket = found->second;
  bucket.tokens = std::min(kCapacity, bucket.tokens + (now - bucket.filled_at));
  bucket.filled_at = now;
  if (bucket.tokens < kCost) return false;
  bucket.tokens -= kCost;
  return true;
}

void RateLimiter::sweep(Instant now) {
  swept_at_ = now;
  // A bucket is full again long before it is swept, so forgetting it gives nobody a token.
  static_assert(kCapacity <= kSweepInterval);
  std::erase_if(buckets_, [now](const auto& entry) { return now - entry.second.filled_at > kSweepInterval; });
}

}  // namespace vpn::engine::protocol
