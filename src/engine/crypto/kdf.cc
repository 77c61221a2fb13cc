#include "engine/crypto/kdf.h"

#include <initializer_list>

#include "engine/crypto/blake2s.h"

namespace vpn::engine::crypto {
namespace {

using Key = Secret<32>;

Key hmac(const Key& key, ByteView a, ByteView b = {}) {
  Hash digest = hmac_blake2s(key.reveal(), a, b);
  const Key result(digest);
  wipe(digest.data(), digest.size());
  return result;
}

void expand(std::initializer_list<Key*> outputs, const Key& chaining_key, ByteView input) {
  const Key extracted = hmac(chaining_key, input);
  ByteView previous;
  std::uint8_t number = 0;
  for (Key* output : outputs) {
    ++number;
    *output = hmac(extracted, previous, {&number, 1});
    previous = output->reveal();
  }
}

}  // namespace

void kdf1(Key& first, const Key& chaining_key, ByteView input) {
  expand({&first}, chaining_key, input);
}

void kdf2(Key& first, Key& second, const Key& chaining_key, ByteView input) {
  expand({&first, &second}, chaining_key, input);
}

void kdf3(Key& first, Key& second, Key& third, const Key& chaining_key, ByteView input) {
  expand({&first, &second, &third}, chaining_key, input);
}

}  // namespace vpn::engine::crypto
