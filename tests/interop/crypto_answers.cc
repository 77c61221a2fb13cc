// Our cryptography for a test in another language: a line asks, a line answers. Every word is hex, "-" for no bytes; an
// answer is hex or "refused".
//
//     x25519 PRIVATE_KEY PUBLIC_KEY                 the shared secret
//     seal|xseal KEY NONCE AAD PLAINTEXT            the ciphertext and its tag; the nonce has 8 bytes, or 24 for x
//     open|xopen KEY NONCE AAD SEALED               the plaintext
//     seal_packet|open_packet KEY NONCE - DATA      the same through the engine of data packets
#include <algorithm>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/encoding.h"
#include "engine/crypto/aead.h"
#include "engine/crypto/x25519.h"

namespace vpn::engine::crypto {
namespace {

using Bytes = std::vector<std::uint8_t>;

Bytes bytes_of_hex(const std::string& hex) {
  if (hex == "-") return {};
  Bytes bytes(hex.size() / 2);
  CHECK(hex_decode(hex, bytes));
  return bytes;
}

template <typename Array>
Array array_of(const Bytes& bytes) {
  Array array{};
  CHECK(bytes.size() == array.size());
  std::ranges::copy(bytes, array.begin());
  return array;
}

AeadKey key_of(const Bytes& bytes) {
  AeadKey key;
  CHECK(bytes.size() == kAeadKeySize);
  std::ranges::copy(bytes, key.reveal_mutable().begin());
  return key;
}

std::optional<Bytes> agree(const Bytes& private_key, const Bytes& public_key) {
  SharedSecret secret;
  if (!x25519(secret, key_of(private_key), PublicKey{array_of<decltype(PublicKey::bytes)>(public_key)})) return {};
  return Bytes(secret.reveal().begin(), secret.reveal().end());
}

Bytes seal(const std::string& how, const AeadKey& key, const Bytes& nonce, const Bytes& aad, const Bytes& plaintext) {
  Bytes sealed = plaintext;
  sealed.resize(plaintext.size() + kAeadTagSize);
  if (how == "xseal") {
    xaead_seal(key, array_of<XAeadNonce>(nonce), aad, plaintext, sealed);
  } else if (how == "seal") {
    aead_seal(key, load_le64(nonce.data()), aad, plaintext, sealed);
  } else {
    const SealJob job{&key, load_le64(nonce.data()), sealed};
    Aead().seal({&job, 1});
  }
  return sealed;
}

std::optional<Bytes> open(const std::string& how, const AeadKey& key, const Bytes& nonce, const Bytes& aad,
                          const Bytes& sealed) {
  Bytes plaintext(sealed.size() - kAeadTagSize);
  bool ok = false;
  if (how == "xopen") {
    ok = xaead_open(key, array_of<XAeadNonce>(nonce), aad, sealed, plaintext);
  } else if (how == "open") {
    ok = aead_open(key, load_le64(nonce.data()), aad, sealed, plaintext);
  } else {
    Bytes data = sealed;
    OpenJob job{.key = &key, .counter = load_le64(nonce.data()), .data = data};
    Aead().open({&job, 1});
    ok = job.ok;
    std::copy_n(data.begin(), plaintext.size(), plaintext.begin());
  }
  return ok ? std::optional(plaintext) : std::nullopt;
}

std::optional<Bytes> answer(const std::string& line) {
  std::istringstream words(line);
  std::string how;
  words >> how;
  std::vector<Bytes> operands;
  for (std::string word; words >> word;) operands.push_back(bytes_of_hex(word));
  if (how == "x25519") return agree(operands.at(0), operands.at(1));
  const AeadKey key = key_of(operands.at(0));
  const bool seals = how.find("seal") != how.npos;
  if (seals) return seal(how, key, operands.at(1), operands.at(2), operands.at(3));
  return open(how, key, operands.at(1), operands.at(2), operands.at(3));
}

}  // namespace
}  // namespace vpn::engine::crypto

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const auto bytes = vpn::engine::crypto::answer(line);
    std::cout << (bytes ? vpn::hex_encode(*bytes) : "refused") << '\n';
  }
}
