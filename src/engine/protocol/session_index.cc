#include "engine/protocol/session_index.h"

#include <string_view>
#include <utility>

#include "base/secret.h"
#include "engine/crypto/blake2s.h"

namespace vpn::engine::protocol {
namespace {

constexpr std::string_view kLabel = "vpn-enabler session index v1";

constexpr std::uint32_t kTagMask = (1u << SessionIndex::kTagBits) - 1;
constexpr std::uint32_t kCounterMask = (1u << SessionIndex::kCounterBits) - 1;

// A Feistel network of halves this small has too little room for the proofs of four rounds (Luby and Rackoff), which
// end at 2^8 queries. NIST SP 800-38G takes ten rounds for FF1 down to domains of a million values; so do we. An
// observer sees far fewer indices than the attacks on fewer rounds need, and ten cost 0.13 us per handshake.
constexpr unsigned kRounds = 10;

}  // namespace

SessionIndex::SessionIndex(const PrivateKey& own) {
  Secret<32> keys;
  const auto* label = reinterpret_cast<const std::uint8_t*>(kLabel.data());
  crypto::Blake2s(32, own.reveal()).update({label, kLabel.size()}).finish(keys.reveal_mutable());
  tag_key_ = crypto::SipHashKey(keys.reveal().first<16>());
  permutation_key_ = crypto::SipHashKey(keys.reveal().last<16>());
}

std::uint32_t SessionIndex::tag(const PublicKey& peer) const {
  return static_cast<std::uint32_t>(crypto::siphash(tag_key_, peer.bytes)) & kTagMask;
}

std::uint32_t SessionIndex::index(std::uint32_t tag, std::uint32_t counter) const {
  const std::uint32_t value = (tag & kTagMask) << kCounterBits | (counter & kCounterMask);
  auto left = static_cast<std::uint16_t>(value >> 16);
  auto right = static_cast<std::uint16_t>(value);
  for (unsigned number = 0; number < kRounds; ++number) {
    left ^= round(number, right);
    std::swap(left, right);
  }
  return static_cast<std::uint32_t>(left) << 16 | right;
}

SessionIndex::Opened SessionIndex::open(std::uint32_t index) const {
  auto left = static_cast<std::uint16_t>(index >> 16);
  auto right = static_cast<std::uint16_t>(index);
  for (unsigned number = kRounds; number-- > 0;) {
    std::swap(left, right);
    left ^= round(number, right);
  }
  const std::uint32_t value = static_cast<std::uint32_t>(left) << 16 | right;
  return {.tag = value >> kCounterBits, .counter = value & kCounterMask};
}

std::uint16_t SessionIndex::round(unsigned number, std::uint16_t half) const {
  const std::array<std::uint8_t, 3> input = {static_cast<std::uint8_t>(number), static_cast<std::uint8_t>(half >> 8),
                                             static_cast<std::uint8_t>(half)};
  return static_cast<std::uint16_t>(crypto::siphash(permutation_key_, input));
}

}  // namespace vpn::engine::protocol
