#include "callers.h"

#include <chrono>

#include "base/check.h"
#include "base/random.h"
#include "engine/crypto/x25519.h"

namespace vpn::bench {

using engine::protocol::StaticIdentity;
using engine::protocol::Tai64n;

namespace {

/// More than Tai64n's grain of 16.8 ms.
constexpr std::chrono::milliseconds kBetweenCalls{20};

}  // namespace

StaticIdentity identity_of(std::uint32_t caller) {
  SeededRandom random(caller);
  StaticIdentity identity;
  identity.private_key = engine::crypto::generate_private_key(random);
  identity.public_key = engine::crypto::derive_public_key(identity.private_key);
  return identity;
}

Callers::Callers(const PublicKey& called, std::uint32_t count) : called_(called) {
  for (std::uint32_t caller = 0; caller < count; ++caller) identities_.push_back(identity_of(caller));
}

std::vector<Call> Callers::call(std::uint32_t rounds, Instant now, WallTime wall) const {
  SystemRandom random;
  std::vector<Call> calls;
  calls.reserve(rounds * identities_.size());
  for (std::uint32_t round = 0; round < rounds; ++round) {
    const Tai64n timestamp = Tai64n::from(wall + round * kBetweenCalls);
    for (const StaticIdentity& identity : identities_) {
      const auto index = static_cast<std::uint32_t>(calls.size());
      Call& call = calls.emplace_back(called_);
      CHECK(call.handshake.create_initiation(identity, engine::crypto::generate_private_key(random), timestamp, index,
                                             call.message));
      call.cookie.add_macs(mutable_bytes_of(call.message), now);
    }
  }
  return calls;
}

bool Callers::is_answer(std::vector<Call>& calls, const engine::protocol::HandshakeResponse& response) const {
  if (response.receiver_index >= calls.size()) return false;
  Call& call = calls[response.receiver_index];
  return call.handshake.consume_response(identities_[response.receiver_index % identities_.size()], response);
}

}  // namespace vpn::bench
