#include "engine/crypto/blake2s.h"

#include <algorithm>
#include <bit>

#include "base/check.h"
#include "base/secret.h"

namespace vpn::engine::crypto {
namespace {

constexpr std::array<std::uint32_t, 8> kInitial = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

/// Message word schedule, RFC 7693 section 2.7.
constexpr std::uint8_t kSigma[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};

/// The mixing function G, section 3.1.
inline void mix(std::uint32_t& a, std::uint32_t& b, std::uint32_t& c, std::uint32_t& d, std::uint32_t x,
                std::uint32_t y) {
  a += b + x, d = std::rotr(d ^ a, 16);
  c += d, b = std::rotr(b ^ c, 12);
  a += b + y, d = std::rotr(d ^ a, 8);
  c += d, b = std::rotr(b ^ c, 7);
}

constexpr std::size_t kHmacBlockSize = 64;

/// One half of HMAC: HASH((key ^ pad) || a || b).
Hash hmac_half(ByteView key, std::uint8_t pad, ByteView a, ByteView b) {
  std::array<std::uint8_t, kHmacBlockSize> block;
  block.fill(pad);
  for (std::size_t i = 0; i < key.size(); ++i) block[i] ^= key[i];
  Hash digest;
  Blake2s().update(block).update(a).update(b).finish(digest);
  wipe(block.data(), block.size());
  return digest;
}

}  // namespace

Blake2s::Blake2s(std::size_t digest_size, ByteView key) : state_(kInitial), digest_size_(digest_size) {
  CHECK(digest_size >= 1 && digest_size <= kHashSize && key.size() <= kHashSize);
  state_[0] ^= 0x01010000u ^ static_cast<std::uint32_t>(key.size() << 8) ^ static_cast<std::uint32_t>(digest_size);
  if (key.empty()) return;
  // The key, padded with zeros, is the first block.
  std::copy(key.begin(), key.end(), buffer_.begin());
  buffered_ = kBlockSize;
}

Blake2s::~Blake2s() {
  wipe(state_.data(), sizeof state_);
  wipe(buffer_.data(), sizeof buffer_);
}

Blake2s& Blake2s::update(ByteView input) {
  while (!input.empty()) {
    // A full block waits for more input, as the last one is compressed differently.
    if (buffered_ == kBlockSize) {
      total_ += kBlockSize;
      compress(/*last=*/false);
      buffered_ = 0;
    }
    const std::size_t taken = std::min(input.size(), kBlockSize - buffered_);
    std::memcpy(buffer_.data() + buffered_, input.data(), taken);
    buffered_ += taken;
    input = input.subspan(taken);
  }
  return *this;
}

void Blake2s::finish(MutableBytes digest) {
  CHECK(digest.size() == digest_size_);
  total_ += buffered_;
  std::fill(buffer_.begin() + static_cast<std::ptrdiff_t>(buffered_), buffer_.end(), std::uint8_t{0});
  compress(/*last=*/true);
  std::array<std::uint8_t, kHashSize> whole;
  for (std::size_t i = 0; i < state_.size(); ++i) store_le32(whole.data() + 4 * i, state_[i]);
  std::memcpy(digest.data(), whole.data(), digest.size());
  wipe(whole.data(), whole.size());
}

void Blake2s::compress(bool last) {
  std::array<std::uint32_t, 16> m;
  for (std::size_t i = 0; i < m.size(); ++i) m[i] = load_le32(buffer_.data() + 4 * i);
  std::array<std::uint32_t, 16> v;
  std::copy(state_.begin(), state_.end(), v.begin());
  std::copy(kInitial.begin(), kInitial.end(), v.begin() + 8);
  v[12] ^= static_cast<std::uint32_t>(total_);
  v[13] ^= static_cast<std::uint32_t>(total_ >> 32);
  if (last) v[14] = ~v[14];

#pragma GCC unroll 10
  for (const auto& s : kSigma) {
    mix(v[0], v[4], v[8], v[12], m[s[0]], m[s[1]]);
    mix(v[1], v[5], v[9], v[13], m[s[2]], m[s[3]]);
    mix(v[2], v[6], v[10], v[14], m[s[4]], m[s[5]]);
    mix(v[3], v[7], v[11], v[15], m[s[6]], m[s[7]]);
    mix(v[0], v[5], v[10], v[15], m[s[8]], m[s[9]]);
    mix(v[1], v[6], v[11], v[12], m[s[10]], m[s[11]]);
    mix(v[2], v[7], v[8], v[13], m[s[12]], m[s[13]]);
    mix(v[3], v[4], v[9], v[14], m[s[14]], m[s[15]]);
  }
  for (std::size_t i = 0; i < state_.size(); ++i) state_[i] ^= v[i] ^ v[i + 8];
}

Hash blake2s(ByteView a, ByteView b) {
  Hash digest;
  Blake2s().update(a).update(b).finish(digest);
  return digest;
}

Mac blake2s_mac(ByteView key, ByteView message) {
  Mac mac;
  Blake2s(kMacSize, key).update(message).finish(mac);
  return mac;
}

Hash hmac_blake2s(ByteView key, ByteView a, ByteView b) {
  CHECK(key.size() <= kHmacBlockSize);
  Hash inner = hmac_half(key, 0x36, a, b);
  const Hash outer = hmac_half(key, 0x5c, inner, {});
  wipe(inner.data(), inner.size());
  return outer;
}

}  // namespace vpn::engine::crypto
