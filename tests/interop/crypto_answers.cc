// Our cryptography for a test in another language: a line asks, a line answers. Every word is hex, "-" for no bytes; an
// answer is hex or "refused".
//
//     x25519 PRIVATE_KEY PUBLIC_KEY                 the shared secret
//     seal|xseal KEY NONCE AAD PLAINTEXT            the ciphertext and its tag; the nonce has 8 bytes, or 24 for x
//     open|xopen KEY NONCE AAD SEALED               the plaintext
//     seal_packet|open_packet KEY NONCE - DATA      the same through each engine of data packets that runs here, which
//                                                   must all say the same, of one packet and of many
#include <algorithm>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/encoding.h"
#include "engine/crypto/test_engines.h"
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

/// Calls `run` with copies of `data` for each engine, one and as many as fill every lane; gives what they have made of
/// it, which must be the same.
template <typename Result, typename Run>
Result from_every_engine(const Bytes& data, const Run& run) {
  std::optional<Result> result;
  for (const auto& engine : all_engines()) {
    for (const std::size_t count : {1, 17}) {
      std::vector<Bytes> copies(count, data);
      for (const Result& made : run(*engine, copies)) {
        if (!result) result = made;
        CHECK(made == *result);
      }
    }
  }
  return *result;
}

Bytes seal_packet(const AeadKey& key, std::uint64_t counter, const Bytes& data) {
  return from_every_engine<Bytes>(data, [&](AeadEngine& engine, std::vector<Bytes>& copies) {
    std::vector<SealJob> jobs;
    for (Bytes& copy : copies) jobs.push_back({&key, counter, copy});
    engine.seal(jobs);
    return copies;
  });
}

std::optional<Bytes> open_packet(const AeadKey& key, std::uint64_t counter, const Bytes& data) {
  using Opened = std::optional<Bytes>;
  return from_every_engine<Opened>(data, [&](AeadEngine& engine, std::vector<Bytes>& copies) {
    std::vector<OpenJob> jobs;
    for (Bytes& copy : copies) jobs.push_back({&key, counter, copy});
    engine.open(jobs);
    std::vector<Opened> results;
    for (const OpenJob& job : jobs) {
      results.push_back(job.ok ? Opened(Bytes(job.data.begin(), job.data.end() - kAeadTagSize)) : std::nullopt);
    }
    return results;
  });
}

Bytes seal(const std::string& how, const AeadKey& key, const Bytes& nonce, const Bytes& aad, const Bytes& plaintext) {
  Bytes sealed = plaintext;
  sealed.resize(plaintext.size() + kAeadTagSize);
  if (how == "seal_packet") return seal_packet(key, load_le64(nonce.data()), sealed);
  if (how == "xseal") {
    xaead_seal(key, array_of<XAeadNonce>(nonce), aad, plaintext, sealed);
  } else {
    aead_seal(key, load_le64(nonce.data()), aad, plaintext, sealed);
  }
  return sealed;
}

std::optional<Bytes> open(const std::string& how, const AeadKey& key, const Bytes& nonce, const Bytes& aad,
                          const Bytes& sealed) {
  if (how == "open_packet") return open_packet(key, load_le64(nonce.data()), sealed);
  Bytes plaintext(sealed.size() - kAeadTagSize);
  const bool ok = how == "xopen" ? xaead_open(key, array_of<XAeadNonce>(nonce), aad, sealed, plaintext)
                                 : aead_open(key, load_le64(nonce.data()), aad, sealed, plaintext);
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
