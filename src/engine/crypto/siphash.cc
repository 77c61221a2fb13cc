#include "engine/crypto/siphash.h"

#include <bit>

namespace vpn::engine::crypto {
namespace {

struct State {
  std::uint64_t v0, v1, v2, v3;

  void round() {
    v0 += v1, v1 = std::rotl(v1, 13) ^ v0, v0 = std::rotl(v0, 32);
    v2 += v3, v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3, v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1, v1 = std::rotl(v1, 17) ^ v2, v2 = std::rotl(v2, 32);
  }

  void absorb(std::uint64_t word) {
    v3 ^= word;
    round();
    round();
    v0 ^= word;
  }
};

}  // namespace

std::uint64_t siphash(const SipHashKey& key, ByteView input) {
  const std::uint64_t k0 = load_le64(key.reveal().data());
  const std::uint64_t k1 = load_le64(key.reveal().data() + 8);
  State state{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573};

  // The last word holds the remaining bytes and the input's length in its top byte.
  std::uint64_t last = static_cast<std::uint64_t>(input.size()) << 56;
  for (; input.size() >= 8; input = input.subspan(8)) state.absorb(load_le64(input.data()));
  for (std::size_t i = 0; i < input.size(); ++i) last |= static_cast<std::uint64_t>(input[i]) << (8 * i);
  state.absorb(last);

  state.v2 ^= 0xff;
  for (int i = 0; i < 4; ++i) state.round();
  return state.v0 ^ state.v1 ^ state.v2 ^ state.v3;
}

}  // namespace vpn::engine::crypto
