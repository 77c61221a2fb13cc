// ChaCha20-Poly1305 (RFC 8439) as WireGuard uses it: in batches for data packets, one by one for handshakes and
// cookies.
//
// A nonce is 4 zero bytes and the little-endian 64-bit counter (WireGuard paper, section 5.4.6); a key must never see
// one counter twice. An Aead belongs to one worker; the free functions are safe from any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "base/bytes.h"
#include "base/secret.h"

namespace vpn::engine::crypto {

constexpr std::size_t kAeadKeySize = 32;
constexpr std::size_t kAeadTagSize = 16;
using AeadKey = Secret<kAeadKeySize>;

/// One data packet to seal in place; no additional data.
struct SealJob {
  const AeadKey* key = nullptr;
  std::uint64_t counter = 0;
  MutableBytes data;  ///< the plaintext and, behind it, kAeadTagSize bytes that take the tag
};

/// One data packet to open in place; no additional data.
struct OpenJob {
  const AeadKey* key = nullptr;
  std::uint64_t counter = 0;
  MutableBytes data;  ///< the ciphertext and its tag; shorter than kAeadTagSize is a forgery
  bool ok = false;    ///< out: `data` less its tag is the plaintext; when false, `data` holds none of it
};

class AeadEngine;

/// One worker's engine for data packets: the fastest that the processor has. Costs about 200 KB, so it is made once;
/// the calls allocate nothing. One thread.
class Aead {
 public:
  Aead();
  ~Aead();
  Aead(const Aead&) = delete;
  Aead& operator=(const Aead&) = delete;

  /// Which engine it is: avx512, avx2, ipsec_mb or openssl.
  const char* name() const;

  /// Any number of jobs, of any mix of keys and sizes; buffers must not overlap.
  void seal(std::span<const SealJob> jobs);
  void open(std::span<OpenJob> jobs);

 private:
  std::unique_ptr<AeadEngine> engine_;
};

/// Seals one message. `sealed` is plaintext.size() + kAeadTagSize bytes and either does not overlap `plaintext` or
/// begins with it.
void aead_seal(const AeadKey& key, std::uint64_t counter, ByteView aad, ByteView plaintext, MutableBytes sealed);

/// Opens one message. `plaintext` is sealed.size() - kAeadTagSize bytes, by the same rule; it is zeroed when the tag is
/// wrong.
[[nodiscard]] bool aead_open(const AeadKey& key, std::uint64_t counter, ByteView aad, ByteView sealed,
                             MutableBytes plaintext);

/// XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): the same with a nonce long enough to be random.
using XAeadNonce = std::array<std::uint8_t, 24>;
void xaead_seal(const AeadKey& key, const XAeadNonce& nonce, ByteView aad, ByteView plaintext, MutableBytes sealed);
[[nodiscard]] bool xaead_open(const AeadKey& key, const XAeadNonce& nonce, ByteView aad, ByteView sealed,
                              MutableBytes plaintext);

}  // namespace vpn::engine::crypto
