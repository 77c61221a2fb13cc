// BLAKE2s (RFC 7693), plain, keyed, and under HMAC (RFC 2104).
//
// Written here because a message of ours is one to three blocks, where a library's context costs more than the hash.
// Values; one thread each.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "base/bytes.h"

namespace vpn::engine::crypto {

constexpr std::size_t kHashSize = 32;
using Hash = std::array<std::uint8_t, kHashSize>;

constexpr std::size_t kMacSize = 16;
using Mac = std::array<std::uint8_t, kMacSize>;

/// One hash in the making. Wipes itself, as the input may be secret.
class Blake2s {
 public:
  /// digest_size in 1..32; key of 0..32 bytes, empty for a plain hash.
  explicit Blake2s(std::size_t digest_size = kHashSize, ByteView key = {});
  ~Blake2s();
  Blake2s(const Blake2s&) = default;
  Blake2s& operator=(const Blake2s&) = default;

  Blake2s& update(ByteView input);
  /// `digest` is digest_size bytes. Once; then the object is spent.
  void finish(MutableBytes digest);

 private:
  static constexpr std::size_t kBlockSize = 64;
  void compress(bool last);

  std::array<std::uint32_t, 8> state_;
  std::array<std::uint8_t, kBlockSize> buffer_{};
  std::uint64_t total_ = 0;  ///< bytes of the blocks compressed so far
  std::size_t buffered_ = 0;
  std::size_t digest_size_;
};

/// HASH(a || b) of the WireGuard paper, section 5.4.
Hash blake2s(ByteView a, ByteView b = {});

/// MAC(key, message): keyed BLAKE2s with 16 bytes of output. The key is 0..32 bytes.
Mac blake2s_mac(ByteView key, ByteView message);

/// HMAC(key, a || b). The key is at most one block, 64 bytes.
Hash hmac_blake2s(ByteView key, ByteView a, ByteView b = {});

}  // namespace vpn::engine::crypto
