#include "engine/crypto/x25519.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <memory>
#include <string_view>

#include "base/check.h"

namespace vpn::engine::crypto {
namespace {

template <auto kFree>
struct Free {
  template <typename T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Free<EVP_PKEY_CTX_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;

/// OpenSSL computes the public half of every private key it is given, unless it is given that too; as a shared secret
/// does not depend on it, any 32 bytes spare that multiplication, half the time of the whole.
Key import_private_key(const Secret<kKeySize>& key) {
  std::array<std::uint8_t, kKeySize> unused_public{};
  // OSSL_PARAM wants a pointer to non-const and only reads through it.
  auto* private_bytes = const_cast<std::uint8_t*>(key.reveal().data());
  OSSL_PARAM parameters[] = {
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PRIV_KEY, private_bytes, kKeySize),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, unused_public.data(), unused_public.size()),
      OSSL_PARAM_construct_end(),
  };
  const KeyContext context(EVP_PKEY_CTX_new_id(EVP_PKEY_X25519, nullptr));
  EVP_PKEY* imported = nullptr;
  CHECK(context != nullptr && EVP_PKEY_fromdata_init(context.get()) == 1);
  CHECK(EVP_PKEY_fromdata(context.get(), &imported, EVP_PKEY_KEYPAIR, parameters) == 1);
  return Key(imported);
}

constexpr PublicKey from_hex(std::string_view hex) {
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  PublicKey key;
  for (std::size_t i = 0; i < kKeySize; ++i) {
    key.bytes[i] = static_cast<std::uint8_t>(digit(hex[2 * i]) * 16 + digit(hex[2 * i + 1]));
  }
  return key;
}

/// The u-coordinates below 2^255 of the points whose order divides 8, on the curve and on its twist: 0, 1 and p - 1,
/// the two of order 8, and p and p + 1, which are 0 and 1 once more.
constexpr std::array kLowOrderPoints = {
    from_hex("0000000000000000000000000000000000000000000000000000000000000000"),
    from_hex("0100000000000000000000000000000000000000000000000000000000000000"),
    from_hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    from_hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800"),
    from_hex("5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157"),
    from_hex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
    from_hex("eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f"),
};

}  // namespace

bool x25519(SharedSecret& out, const Secret<kKeySize>& private_key, const PublicKey& public_key) {
  const Key ours = import_private_key(private_key);
  const Key theirs(EVP_PKEY_new_raw_public_key(EVP_PKEY_X25519, nullptr, public_key.bytes.data(), kKeySize));
  const KeyContext context(EVP_PKEY_CTX_new(ours.get(), nullptr));
  CHECK(theirs != nullptr && context != nullptr && EVP_PKEY_derive_init(context.get()) == 1);
  std::size_t size = kKeySize;
  // Fails, as RFC 7748 section 6.1 wants, when the result is all zeros.
  const bool ok = EVP_PKEY_derive_set_peer_ex(context.get(), theirs.get(), /*validate_peer=*/0) == 1 &&
                  EVP_PKEY_derive(context.get(), out.reveal_mutable().data(), &size) == 1;
  if (!ok) out.wipe();
  return ok;
}

PrivateKey clamp(PrivateKey key) {
  const auto bytes = key.reveal_mutable();
  bytes[0] &= 248;
  bytes[31] = static_cast<std::uint8_t>((bytes[31] & 127) | 64);
  return key;
}

PrivateKey generate_private_key(Random& random) {
  PrivateKey key;
  random.fill(key.reveal_mutable());
  return clamp(key);
}

PublicKey derive_public_key(const Secret<kKeySize>& private_key) {
  const Key key(EVP_PKEY_new_raw_private_key(EVP_PKEY_X25519, nullptr, private_key.reveal().data(), kKeySize));
  PublicKey result;
  std::size_t size = result.bytes.size();
  CHECK(key != nullptr && EVP_PKEY_get_raw_public_key(key.get(), result.bytes.data(), &size) == 1);
  return result;
}

bool is_low_order(const PublicKey& key) {
  PublicKey masked = key;
  masked.bytes[31] &= 127;  // x25519 ignores that bit (RFC 7748 section 5)
  return std::ranges::find(kLowOrderPoints, masked) != kLowOrderPoints.end();
}

}  // namespace vpn::engine::crypto
