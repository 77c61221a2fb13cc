// Poly1305 (RFC 8439, section 2.5) three ways, all of one sum h = (h + block) * r mod 2^130 - 5:
//
//   in lanes     a packet in each lane, as far as the shortest of them goes; nothing to prepare and nothing to add up
//   side by side every W-th block of one packet in each lane, multiplied by r^W, and by r^W ... r at the end
//   one by one   what is left of a packet, on the ordinary registers
//
// A lane's number is cut into limbs, fewer and longer ones where the processor multiplies 52 bits (IFMA).
//
// Included by the files that are compiled for one instruction set; everything is inside their unnamed namespace.
#pragma once

#include "engine/crypto/aead_kernel_vector.h"

namespace vpn::engine::crypto {
namespace {

/// Five limbs of 26 bits, W / 2 lanes.
///
/// Bounds: multiply() leaves limbs below 2^26 + 2^10. With a block added they are below 2^27 + 2^10, a factor's are
/// below 2^26 + 2^10 and five times that below 2^29, so each product is below 2^57 and the sum of five below 2^60.
template <int W>
struct Radix26 {
  using Vector = Vectors<W>;
  using U64 = typename Vector::U64;
  static constexpr std::size_t kLimbs = 5;
  static constexpr std::uint64_t kMask = 0x3ffffff;

  struct Number {
    U64 limb[kLimbs];
  };
  struct Factor {
    U64 r[5];
    U64 r5[5];  // five times r: what lies above 2^130 comes back so
  };

  VPN_KERNEL_INLINE void add(Number& h, U64 low, U64 high, std::uint64_t bit_128) {
    h.limb[0] += low & kMask;
    h.limb[1] += (low >> 26) & kMask;
    h.limb[2] += (low >> 52 | high << 12) & kMask;
    h.limb[3] += (high >> 14) & kMask;
    h.limb[4] += high >> 40 | bit_128 << 24;
  }

  VPN_KERNEL_INLINE Factor factor(const Number& r) {
    Factor factor;
    for (std::size_t i = 0; i < kLimbs; ++i) {
      factor.r[i] = r.limb[i];
      factor.r5[i] = r.limb[i] + (r.limb[i] << 2);
    }
    return factor;
  }

  VPN_KERNEL_INLINE U64 product(U64 a, U64 b) { return Vector::multiply_low(a, b); }

  VPN_KERNEL_INLINE void multiply(Number& h, const Factor& f) {
    const U64 h0 = h.limb[0], h1 = h.limb[1], h2 = h.limb[2], h3 = h.limb[3], h4 = h.limb[4];
    U64 d0 = product(h0, f.r[0]) + product(h1, f.r5[4]) + product(h2, f.r5[3]) + product(h3, f.r5[2]);
    U64 d1 = product(h0, f.r[1]) + product(h1, f.r[0]) + product(h2, f.r5[4]) + product(h3, f.r5[3]);
    U64 d2 = product(h0, f.r[2]) + product(h1, f.r[1]) + product(h2, f.r[0]) + product(h3, f.r5[4]);
    U64 d3 = product(h0, f.r[3]) + product(h1, f.r[2]) + product(h2, f.r[1]) + product(h3, f.r[0]);
    U64 d4 = product(h0, f.r[4]) + product(h1, f.r[3]) + product(h2, f.r[2]) + product(h3, f.r[1]);
    d0 += product(h4, f.r5[1]);
    d1 += product(h4, f.r5[2]);
    d2 += product(h4, f.r5[3]);
    d3 += product(h4, f.r5[4]);
    d4 += product(h4, f.r[0]);
    // Two chains of carries at once, 3 -> 4 -> 0 -> 1 and 0 -> 1 -> 2 -> 3 -> 4.
    d4 += d3 >> 26, d3 &= kMask;
    d1 += d0 >> 26, d0 &= kMask;
    const U64 above = d4 >> 26;
    d0 += above + (above << 2), d4 &= kMask;
    d2 += d1 >> 26, d1 &= kMask;
    d1 += d0 >> 26, d0 &= kMask;
    d3 += d2 >> 26, d2 &= kMask;
    d4 += d3 >> 26, d3 &= kMask;
    h.limb[0] = d0, h.limb[1] = d1, h.limb[2] = d2, h.limb[3] = d3, h.limb[4] = d4;
  }

  /// 130 bits and a few out of limbs below 2^32.
  VPN_KERNEL_INLINE void join(const std::uint64_t* limbs, std::uint64_t* h) {
    Uint128 sum = limbs[0] + (static_cast<Uint128>(limbs[1]) << 26) + (static_cast<Uint128>(limbs[2]) << 52);
    h[0] = static_cast<std::uint64_t>(sum);
    sum = (sum >> 64) + (static_cast<Uint128>(limbs[3]) << 14) + (static_cast<Uint128>(limbs[4]) << 40);
    h[1] = static_cast<std::uint64_t>(sum);
    h[2] = static_cast<std::uint64_t>(sum >> 64);
  }

  VPN_KERNEL_INLINE void cut(const std::uint64_t* h, std::uint64_t* limbs) {
    limbs[0] = h[0] & kMask;
    limbs[1] = (h[0] >> 26) & kMask;
    limbs[2] = (h[0] >> 52 | h[1] << 12) & kMask;
    limbs[3] = (h[1] >> 14) & kMask;
    limbs[4] = h[1] >> 40 | h[2] << 24;
  }
};

/// Three limbs of 44, 44 and 42 bits, W / 2 lanes, for a processor that multiplies 52-bit numbers.
///
/// Bounds: multiply() leaves limbs below 2^44 + 2^16. With a block added they are below 2^45 + 2^16, and twenty times a
/// factor's below 2^49, so each operand has 52 bits, each product 94; the sums of three low halves and the carries stay
/// below 2^58.
template <int W>
struct Radix44 {
  using Vector = Vectors<W>;
  using U64 = typename Vector::U64;
  static constexpr std::size_t kLimbs = 3;
  static constexpr std::uint64_t kMask44 = 0xfffffffffff;
  static constexpr std::uint64_t kMask42 = 0x3ffffffffff;

  struct Number {
    U64 limb[kLimbs];
  };
  struct Factor {
    U64 r[3];
    U64 r20[3];  // twenty times r: what lies above 2^132 comes back so
  };

  VPN_KERNEL_INLINE void add(Number& h, U64 low, U64 high, std::uint64_t bit_128) {
    h.limb[0] += low & kMask44;
    h.limb[1] += (low >> 44 | high << 20) & kMask44;
    h.limb[2] += high >> 24 | bit_128 << 40;
  }

  VPN_KERNEL_INLINE Factor factor(const Number& r) {
    Factor factor;
    for (std::size_t i = 0; i < kLimbs; ++i) {
      factor.r[i] = r.limb[i];
      factor.r20[i] = (r.limb[i] << 2) + (r.limb[i] << 4);
    }
    return factor;
  }

  /// Adds a product: the part below 2^52 and the part above.
  VPN_KERNEL_INLINE void add_product(U64& low, U64& high, U64 a, U64 b) {
    low = Vector::add_product_low52(low, a, b);
    high = Vector::add_product_high52(high, a, b);
  }

  VPN_KERNEL_INLINE void multiply(Number& h, const Factor& f) {
    const U64 h0 = h.limb[0], h1 = h.limb[1], h2 = h.limb[2];
    U64 low0{}, low1{}, low2{}, high0{}, high1{}, high2{};
    add_product(low0, high0, h0, f.r[0]);
    add_product(low1, high1, h0, f.r[1]);
    add_product(low2, high2, h0, f.r[2]);
    add_product(low0, high0, h1, f.r20[2]);
    add_product(low1, high1, h1, f.r[0]);
    add_product(low2, high2, h1, f.r[1]);
    add_product(low0, high0, h2, f.r20[1]);
    add_product(low1, high1, h2, f.r20[2]);
    add_product(low2, high2, h2, f.r[0]);
    // A high part counts 2^52, the limb above it 2^44; above the last it is 2^140, 2^10 times 5.
    low1 += (high0 << 8) + (low0 >> 44);
    low2 += (high1 << 8) + (low1 >> 44);
    const U64 above = (high2 << 10) + (low2 >> 42);
    low0 = (low0 & kMask44) + above + (above << 2);
    h.limb[0] = low0 & kMask44;
    h.limb[1] = (low1 & kMask44) + (low0 >> 44);
    h.limb[2] = low2 & kMask42;
  }

  /// 130 bits and a few out of limbs below 2^50.
  VPN_KERNEL_INLINE void join(const std::uint64_t* limbs, std::uint64_t* h) {
    Uint128 sum = limbs[0] + (static_cast<Uint128>(limbs[1]) << 44);
    h[0] = static_cast<std::uint64_t>(sum);
    sum = (sum >> 64) + (static_cast<Uint128>(limbs[2]) << 24);
    h[1] = static_cast<std::uint64_t>(sum);
    h[2] = static_cast<std::uint64_t>(sum >> 64);
  }

  VPN_KERNEL_INLINE void cut(const std::uint64_t* h, std::uint64_t* limbs) {
    limbs[0] = h[0] & kMask44;
    limbs[1] = (h[0] >> 44 | h[1] << 20) & kMask44;
    limbs[2] = h[1] >> 24 | h[2] << 40;
  }
};

template <int W>
struct RadixFor {
  using Type = Radix26<W>;
};
template <>
struct RadixFor<16> {
  using Type = Radix44<16>;
};

/// One sum on the ordinary registers: h < 2^130 plus a little, as 64 + 64 + few bits.
class Sum {
 public:
  explicit Sum(const std::uint8_t* one_time_key)
      : r_{load<std::uint64_t>(one_time_key) & kClampLow, load<std::uint64_t>(one_time_key + 8) & kClampHigh},
        five_quarters_r1_(r_[1] + (r_[1] >> 2)) {}

  static constexpr std::uint64_t kClampLow = 0x0ffffffc0fffffff;
  static constexpr std::uint64_t kClampHigh = 0x0ffffffc0ffffffc;

  [[gnu::always_inline]] inline void add(const std::uint8_t* block, std::uint64_t bit_128 = 1) {
    add(load<std::uint64_t>(block), load<std::uint64_t>(block + 8), bit_128);
  }

  // r_[1] is a multiple of 4 and below 2^60, and h_[2] below 8, so no sum of two products leaves 128 bits.
  [[gnu::always_inline]] inline void add(std::uint64_t low, std::uint64_t high, std::uint64_t bit_128) {
    Uint128 sum = static_cast<Uint128>(h_[0]) + low;
    h_[0] = static_cast<std::uint64_t>(sum);
    sum = (sum >> 64) + h_[1] + high;
    h_[1] = static_cast<std::uint64_t>(sum);
    h_[2] += static_cast<std::uint64_t>(sum >> 64) + bit_128;

    const Uint128 d0 = product(h_[0], r_[0]) + product(h_[1], five_quarters_r1_);
    const Uint128 d1 = product(h_[0], r_[1]) + product(h_[1], r_[0]) + product(h_[2], five_quarters_r1_) + (d0 >> 64);
    h_[0] = static_cast<std::uint64_t>(d0);
    h_[1] = static_cast<std::uint64_t>(d1);
    h_[2] = h_[2] * r_[0] + static_cast<std::uint64_t>(d1 >> 64);
    fold();
  }

  /// The number in parts of 64 bits; the last is small.
  std::uint64_t* parts() { return h_; }

  /// Brings what lies above 2^130 back.
  [[gnu::always_inline]] inline void fold() {
    Uint128 sum = static_cast<Uint128>(h_[0]) + (h_[2] >> 2) + (h_[2] & ~std::uint64_t{3});
    h_[2] &= 3;
    h_[0] = static_cast<std::uint64_t>(sum);
    sum = (sum >> 64) + h_[1];
    h_[1] = static_cast<std::uint64_t>(sum);
    h_[2] += static_cast<std::uint64_t>(sum >> 64);
  }

  /// The tag: h mod 2^130 - 5, plus the key's second half.
  [[gnu::always_inline]] inline void finish(const std::uint8_t* one_time_key, std::uint8_t* tag) {
    fold();
    // h + 5 reaches 2^130 when h is at least the modulus, and is h less the modulus then.
    Uint128 sum = static_cast<Uint128>(h_[0]) + 5;
    const auto low = static_cast<std::uint64_t>(sum);
    sum = (sum >> 64) + h_[1];
    const auto high = static_cast<std::uint64_t>(sum);
    const std::uint64_t reaches = 0 - ((h_[2] + static_cast<std::uint64_t>(sum >> 64)) >> 2);
    h_[0] = (low & reaches) | (h_[0] & ~reaches);
    h_[1] = (high & reaches) | (h_[1] & ~reaches);

    sum = static_cast<Uint128>(h_[0]) + load<std::uint64_t>(one_time_key + 16);
    store(tag, static_cast<std::uint64_t>(sum));
    sum = (sum >> 64) + h_[1] + load<std::uint64_t>(one_time_key + 24);
    store(tag + 8, static_cast<std::uint64_t>(sum));
  }

 private:
  VPN_KERNEL_INLINE Uint128 product(std::uint64_t a, std::uint64_t b) { return static_cast<Uint128>(a) * b; }

  std::uint64_t r_[2];
  std::uint64_t five_quarters_r1_;
  std::uint64_t h_[3] = {};
};

template <int W>
class Poly1305 {
 public:
  static void authenticate(const KernelJob* jobs, std::size_t count, KernelScratch& scratch) {
    const std::size_t in_lanes = count >= kFewestLanes ? fewest_blocks(jobs, count) : 0;
    if (in_lanes > 0) sum_in_lanes(jobs, count, in_lanes, scratch);
    // Side by side takes the place of the lanes' limbs, so these leave it first.
    std::uint64_t sums[W][3];
    for (std::size_t job = 0; in_lanes > 0 && job < count; ++job) join_lane(scratch, job, sums[job]);
    for (std::size_t job = 0; job < count; ++job) {
      Sum sum(scratch.one_time_keys[job]);
      if (in_lanes > 0) {
        for (std::size_t i = 0; i < 3; ++i) sum.parts()[i] = sums[job][i];
        sum.fold();
      }
      finish(jobs[job], in_lanes, job, sum, scratch);
    }
    __builtin_memset(sums, 0, sizeof sums);
    asm volatile("" : : "r"(sums) : "memory");  // or the compiler leaves it out
  }

 private:
  using Radix = typename RadixFor<W>::Type;
  using Number = typename Radix::Number;
  using Factor = typename Radix::Factor;
  using Vector = Vectors<W>;
  using U64 = typename Vector::U64;
  static constexpr std::size_t kHalf = W / 2;
  /// With fewer packets the other ways are faster, measured.
  static constexpr std::size_t kFewestLanes = W / 2 + 1;
  /// From so many blocks on, side by side is faster than one by one, measured.
  static constexpr std::size_t kFewestSideBySide = 24;

  VPN_KERNEL_INLINE std::size_t fewest_blocks(const KernelJob* jobs, std::size_t count) {
    std::size_t fewest = jobs[0].size;
    for (std::size_t i = 1; i < count; ++i) fewest = jobs[i].size < fewest ? jobs[i].size : fewest;
    return fewest / 16;
  }

  VPN_KERNEL_INLINE Number load_r(const std::uint8_t* const* one_time_keys) {
    U64 low, high;
    Vector::load_pairs(one_time_keys, 0, low, high);
    Number r{};
    Radix::add(r, low & Sum::kClampLow, high & Sum::kClampHigh, 0);
    return r;
  }

  /// One block of each lane of `at`; both halves of the lanes at once, so that neither waits for its own carries.
  VPN_KERNEL_INLINE void step(const std::uint8_t* const* at, std::size_t offset, Number& a, Number& b, const Factor& fa,
                              const Factor& fb) {
    U64 low, high;
    Vector::load_pairs(at, offset, low, high);
    Radix::add(a, low, high, 1);
    Radix::multiply(a, fa);
    Vector::load_pairs(at + kHalf, offset, low, high);
    Radix::add(b, low, high, 1);
    Radix::multiply(b, fb);
  }

  static void sum_in_lanes(const KernelJob* jobs, std::size_t count, std::size_t blocks, KernelScratch& scratch) {
    const std::uint8_t* texts[W];
    const std::uint8_t* keys[W];
    for (std::size_t lane = 0; lane < W; ++lane) {
      const std::size_t job = lane < count ? lane : 0;  // a lane to spare computes what nobody asks for
      texts[lane] = jobs[job].text;
      keys[lane] = scratch.one_time_keys[job];
    }
    const Factor fa = Radix::factor(load_r(keys)), fb = Radix::factor(load_r(keys + kHalf));
    Number a{}, b{};
    for (std::size_t i = 0; i < blocks; ++i) step(texts, 16 * i, a, b, fa, fb);
    for (std::size_t i = 0; i < Radix::kLimbs; ++i) {
      store(scratch.limbs + i * W, a.limb[i]);
      store(scratch.limbs + i * W + kHalf, b.limb[i]);
    }
  }

  VPN_KERNEL_INLINE void join_lane(const KernelScratch& scratch, std::size_t lane, std::uint64_t* parts) {
    std::uint64_t limbs[Radix::kLimbs];
    for (std::size_t i = 0; i < Radix::kLimbs; ++i) limbs[i] = scratch.limbs[i * W + lane];
    Radix::join(limbs, parts);
  }

  VPN_KERNEL_INLINE void finish(const KernelJob& job, std::size_t done, std::size_t index, Sum& sum,
                                KernelScratch& scratch) {
    const std::uint8_t* key = scratch.one_time_keys[index];
    const std::uint8_t* text = job.text + 16 * done;
    std::size_t blocks = job.size / 16 - done;
    if (blocks >= kFewestSideBySide) {
      const std::size_t rounds = blocks / W;
      sum_side_by_side(text, rounds, key, sum, scratch);
      text += rounds * W * 16;
      blocks -= rounds * W;
    }
    for (; blocks > 0; --blocks, text += 16) sum.add(text);
    if (job.size % 16 != 0) {
      std::uint8_t padded[16] = {};
      copy_partial(padded, text, job.size % 16);
      sum.add(padded);
    }
    sum.add(0, job.size, 1);  // the sizes: no additional data
    sum.finish(key, scratch.tags[index]);
  }

  /// rounds > 0 times W blocks.
  static void sum_side_by_side(const std::uint8_t* text, std::size_t rounds, const std::uint8_t* one_time_key, Sum& sum,
                               KernelScratch& scratch) {
    const std::uint8_t* at[W];
    const std::uint8_t* keys[kHalf];
    for (std::size_t i = 0; i < W; ++i) at[i] = text + 16 * i;
    for (std::size_t i = 0; i < kHalf; ++i) keys[i] = one_time_key;

    const Number r = load_r(keys);
    Number powers = r;  // r^W in every lane, at the end of this
    Number last_a, last_b;
    for (std::size_t i = 0; i < Radix::kLimbs; ++i) last_a.limb[i] = last_b.limb[i] = U64{};
    last_a.limb[0] += 1, last_b.limb[0] += 1;
    // Lane i ends with r^(W - i): the product of the r^(2^k) whose bit k is in W - i.
    for (std::size_t bit = 1; bit < W; bit *= 2) {
      const Factor factor = Radix::factor(powers);
      select_and_multiply(last_a, factor, bit, 0);
      select_and_multiply(last_b, factor, bit, kHalf);
      Radix::multiply(powers, factor);
    }
    for (std::size_t i = 0; i < Radix::kLimbs; ++i) last_a.limb[i][0] = powers.limb[i][0];

    Number a{}, b{};
    std::uint64_t limbs[Radix::kLimbs];
    Radix::cut(sum.parts(), limbs);
    for (std::size_t i = 0; i < Radix::kLimbs; ++i) a.limb[i][0] = limbs[i];
    const Factor factor = Radix::factor(powers);
    for (std::size_t round = 0; round + 1 < rounds; ++round) step(at, round * W * 16, a, b, factor, factor);
    step(at, (rounds - 1) * W * 16, a, b, Radix::factor(last_a), Radix::factor(last_b));

    for (std::size_t i = 0; i < Radix::kLimbs; ++i) store(scratch.limbs + i * kHalf, a.limb[i] + b.limb[i]);
    for (std::size_t i = 0; i < Radix::kLimbs; ++i) {
      limbs[i] = 0;
      for (std::size_t lane = 0; lane < kHalf; ++lane) limbs[i] += scratch.limbs[i * kHalf + lane];
    }
    Radix::join(limbs, sum.parts());
    sum.fold();
  }

  /// Multiplies those lanes i, of W lanes from `first` on, for which W - i has the bit.
  VPN_KERNEL_INLINE void select_and_multiply(Number& powers, const Factor& factor, std::size_t bit, std::size_t first) {
    U64 mask{};
    for (std::size_t i = 0; i < kHalf; ++i) mask[i] = ((W - first - i) & bit) != 0 ? ~std::uint64_t{0} : 0;
    Number product = powers;
    Radix::multiply(product, factor);
    for (std::size_t i = 0; i < Radix::kLimbs; ++i) {
      powers.limb[i] = (product.limb[i] & mask) | (powers.limb[i] & ~mask);
    }
  }

  template <typename Word>
  VPN_KERNEL_INLINE void copy_word(std::uint8_t*& to, const std::uint8_t*& from) {
    store(to, load<Word>(from));
    to += sizeof(Word);
    from += sizeof(Word);
  }

  /// `size` < 16 bytes.
  VPN_KERNEL_INLINE void copy_partial(std::uint8_t* to, const std::uint8_t* from, std::size_t size) {
    if (size & 8) copy_word<std::uint64_t>(to, from);
    if (size & 4) copy_word<std::uint32_t>(to, from);
    if (size & 2) copy_word<std::uint16_t>(to, from);
    if (size & 1) copy_word<std::uint8_t>(to, from);
  }
};

}  // namespace
}  // namespace vpn::engine::crypto
