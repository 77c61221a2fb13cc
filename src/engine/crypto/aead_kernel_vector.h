// Vectors of W 32-bit lanes, or half as many 64-bit ones, in the compiler's own terms: GCC and clang map them onto the
// registers of the instruction set that a file is compiled for, and onto several where it has none so wide (so the
// tests run sixteen lanes on any processor). Only what they would not find by themselves is spelled out.
//
// Included by the files that are compiled for one instruction set; everything is inside their unnamed namespace, for a
// shared inline function of theirs might be the one that the linker keeps, and fail on another processor.
#pragma once

#ifdef __AVX2__
#include <immintrin.h>
#endif

#include "engine/crypto/aead_kernel.h"

#define VPN_KERNEL_INLINE [[gnu::always_inline]] static inline

namespace vpn::engine::crypto {
namespace {

__extension__ typedef unsigned __int128 Uint128;

/// 16 bytes: a Poly1305 block.
typedef std::uint64_t Pair __attribute__((vector_size(16)));

template <typename T>
[[gnu::always_inline]] inline T load(const void* from) {
  T value;
  __builtin_memcpy(&value, from, sizeof value);
  return value;
}

template <typename T>
[[gnu::always_inline]] inline void store(void* to, const T& value) {
  __builtin_memcpy(to, &value, sizeof value);
}

template <int W>
struct VectorTypes;
template <>
struct VectorTypes<8> {
  typedef std::uint32_t U32 __attribute__((vector_size(32)));
  typedef std::uint64_t U64 __attribute__((vector_size(32)));
};
template <>
struct VectorTypes<16> {
  typedef std::uint32_t U32 __attribute__((vector_size(64)));
  typedef std::uint64_t U64 __attribute__((vector_size(64)));
};

template <int W>
struct Vectors {
  using U32 = typename VectorTypes<W>::U32;
  using U64 = typename VectorTypes<W>::U64;

  /// Rotates each 32-bit lane left.
  template <int N>
  VPN_KERNEL_INLINE U32 rotate(U32 v) {
#if defined(__AVX2__) && !defined(__AVX512F__)
    // One shuffle of bytes in place of two shifts.
    if constexpr (W == 8 && N == 16) {
      const __m256i order = _mm256_setr_epi8(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13,  //
                                             2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
      return reinterpret_cast<U32>(_mm256_shuffle_epi8(reinterpret_cast<__m256i>(v), order));
    }
    if constexpr (W == 8 && N == 8) {
      const __m256i order = _mm256_setr_epi8(3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14,  //
                                             3, 0, 1, 2, 7, 4, 5, 6, 11, 8, 9, 10, 15, 12, 13, 14);
      return reinterpret_cast<U32>(_mm256_shuffle_epi8(reinterpret_cast<__m256i>(v), order));
    }
#endif
    return v << N | v >> (32 - N);
  }

  /// The product of the low halves of each 64-bit lane.
  VPN_KERNEL_INLINE U64 multiply_low(U64 a, U64 b) {
#ifdef __AVX2__
    if constexpr (W == 8) {
      return reinterpret_cast<U64>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), reinterpret_cast<__m256i>(b)));
    }
#endif
    return (a & 0xffffffff) * (b & 0xffffffff);
  }

  /// Of the product of two 52-bit numbers in each 64-bit lane, the low or the high 52 bits, added to `sum`.
  VPN_KERNEL_INLINE U64 add_product_low52(U64 sum, U64 a, U64 b) {
#ifdef __AVX512IFMA__
    if constexpr (W == 16) {
      return reinterpret_cast<U64>(_mm512_madd52lo_epu64(reinterpret_cast<__m512i>(sum), reinterpret_cast<__m512i>(a),
                                                         reinterpret_cast<__m512i>(b)));
    }
#endif
    for (int i = 0; i < W / 2; ++i) sum[i] += a[i] * b[i] & 0xfffffffffffff;
    return sum;
  }
  VPN_KERNEL_INLINE U64 add_product_high52(U64 sum, U64 a, U64 b) {
#ifdef __AVX512IFMA__
    if constexpr (W == 16) {
      return reinterpret_cast<U64>(_mm512_madd52hi_epu64(reinterpret_cast<__m512i>(sum), reinterpret_cast<__m512i>(a),
                                                         reinterpret_cast<__m512i>(b)));
    }
#endif
    for (int i = 0; i < W / 2; ++i) sum[i] += static_cast<std::uint64_t>(static_cast<Uint128>(a[i]) * b[i] >> 52);
    return sum;
  }

  /// Loads 16 bytes for each 64-bit lane: the first eight into `low`, the others into `high`.
  VPN_KERNEL_INLINE void load_pairs(const std::uint8_t* const* from, std::size_t offset, U64& low, U64& high) {
    if constexpr (W == 8) {
      const U64 even = __builtin_shufflevector(pair(from[0], offset), pair(from[2], offset), 0, 1, 2, 3);
      const U64 odd = __builtin_shufflevector(pair(from[1], offset), pair(from[3], offset), 0, 1, 2, 3);
      low = __builtin_shufflevector(even, odd, 0, 4, 2, 6);
      high = __builtin_shufflevector(even, odd, 1, 5, 3, 7);
    } else {
      const auto even_low = __builtin_shufflevector(pair(from[0], offset), pair(from[2], offset), 0, 1, 2, 3);
      const auto even_high = __builtin_shufflevector(pair(from[4], offset), pair(from[6], offset), 0, 1, 2, 3);
      const auto odd_low = __builtin_shufflevector(pair(from[1], offset), pair(from[3], offset), 0, 1, 2, 3);
      const auto odd_high = __builtin_shufflevector(pair(from[5], offset), pair(from[7], offset), 0, 1, 2, 3);
      const U64 even = __builtin_shufflevector(even_low, even_high, 0, 1, 2, 3, 4, 5, 6, 7);
      const U64 odd = __builtin_shufflevector(odd_low, odd_high, 0, 1, 2, 3, 4, 5, 6, 7);
      low = __builtin_shufflevector(even, odd, 0, 8, 2, 10, 4, 12, 6, 14);
      high = __builtin_shufflevector(even, odd, 1, 9, 3, 11, 5, 13, 7, 15);
    }
  }

  /// Takes each 4 x 4 words of four rows for a matrix, and transposes it.
  VPN_KERNEL_INLINE void transpose_fours(U32& a, U32& b, U32& c, U32& d) {
    const auto ab_low = reinterpret_cast<U64>(interleave_low(a, b));
    const auto ab_high = reinterpret_cast<U64>(interleave_high(a, b));
    const auto cd_low = reinterpret_cast<U64>(interleave_low(c, d));
    const auto cd_high = reinterpret_cast<U64>(interleave_high(c, d));
    a = reinterpret_cast<U32>(interleave_low(ab_low, cd_low));
    b = reinterpret_cast<U32>(interleave_high(ab_low, cd_low));
    c = reinterpret_cast<U32>(interleave_low(ab_high, cd_high));
    d = reinterpret_cast<U32>(interleave_high(ab_high, cd_high));
  }

  /// Of four vectors, quarter i (of 16 bytes) of each, one behind the other, is the block of lane 4 * i + `lane`.
  VPN_KERNEL_INLINE void store_blocks(std::uint8_t (*blocks)[64], std::size_t lane, U32 a32, U32 b32, U32 c32,
                                      U32 d32) {
    const auto a = reinterpret_cast<U64>(a32), b = reinterpret_cast<U64>(b32);
    const auto c = reinterpret_cast<U64>(c32), d = reinterpret_cast<U64>(d32);
    if constexpr (W == 8) {
      store(blocks[lane], __builtin_shufflevector(a, b, 0, 1, 4, 5));
      store(blocks[lane] + 32, __builtin_shufflevector(c, d, 0, 1, 4, 5));
      store(blocks[lane + 4], __builtin_shufflevector(a, b, 2, 3, 6, 7));
      store(blocks[lane + 4] + 32, __builtin_shufflevector(c, d, 2, 3, 6, 7));
    } else {
      const U64 ab_low = __builtin_shufflevector(a, b, 0, 1, 8, 9, 2, 3, 10, 11);
      const U64 cd_low = __builtin_shufflevector(c, d, 0, 1, 8, 9, 2, 3, 10, 11);
      const U64 ab_high = __builtin_shufflevector(a, b, 4, 5, 12, 13, 6, 7, 14, 15);
      const U64 cd_high = __builtin_shufflevector(c, d, 4, 5, 12, 13, 6, 7, 14, 15);
      store(blocks[lane], __builtin_shufflevector(ab_low, cd_low, 0, 1, 2, 3, 8, 9, 10, 11));
      store(blocks[lane + 4], __builtin_shufflevector(ab_low, cd_low, 4, 5, 6, 7, 12, 13, 14, 15));
      store(blocks[lane + 8], __builtin_shufflevector(ab_high, cd_high, 0, 1, 2, 3, 8, 9, 10, 11));
      store(blocks[lane + 12], __builtin_shufflevector(ab_high, cd_high, 4, 5, 6, 7, 12, 13, 14, 15));
    }
  }

 private:
  VPN_KERNEL_INLINE Pair pair(const std::uint8_t* from, std::size_t offset) { return load<Pair>(from + offset); }

  // Within each 16 bytes, as the machine's instructions do.
  VPN_KERNEL_INLINE U32 interleave_low(U32 a, U32 b) {
    if constexpr (W == 8)
      return __builtin_shufflevector(a, b, 0, 8, 1, 9, 4, 12, 5, 13);
    else
      return __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
  }
  VPN_KERNEL_INLINE U32 interleave_high(U32 a, U32 b) {
    if constexpr (W == 8)
      return __builtin_shufflevector(a, b, 2, 10, 3, 11, 6, 14, 7, 15);
    else
      return __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15, 31);
  }
  VPN_KERNEL_INLINE U64 interleave_low(U64 a, U64 b) {
    if constexpr (W == 8)
      return __builtin_shufflevector(a, b, 0, 4, 2, 6);
    else
      return __builtin_shufflevector(a, b, 0, 8, 2, 10, 4, 12, 6, 14);
  }
  VPN_KERNEL_INLINE U64 interleave_high(U64 a, U64 b) {
    if constexpr (W == 8)
      return __builtin_shufflevector(a, b, 1, 5, 3, 7);
    else
      return __builtin_shufflevector(a, b, 1, 9, 3, 11, 5, 13, 7, 15);
  }
};

}  // namespace
}  // namespace vpn::engine::crypto
