// ChaCha20 (RFC 8439, section 2.3) of W blocks at once: word i of all blocks is one vector, so a quarter round of all
// of them is that of one. A lane does not care whose block it has: the blocks of short packets, of long ones and of
// different keys stand side by side as they come, and only the last group of a call may have lanes to spare.
//
// Included by the files that are compiled for one instruction set; everything is inside their unnamed namespace.
#pragma once

#include "engine/crypto/aead_kernel_vector.h"

namespace vpn::engine::crypto {
namespace {

template <int W>
class ChaCha20 {
 public:
  static void cipher(const KernelJob* jobs, std::size_t count, KeyStream part, KernelScratch& scratch) {
    Block blocks[W];
    std::size_t filled = 0;
    for (std::size_t job = 0; job < count; ++job) {
      const std::size_t text_blocks = part == KeyStream::kOneTimeKeys ? 0 : (jobs[job].size + 63) / 64;
      for (std::size_t number = part == KeyStream::kText ? 1 : 0; number <= text_blocks; ++number) {
        blocks[filled] = {job, number};
        place(jobs[job], number, filled, scratch);
        if (++filled == W) {
          run(jobs, blocks, filled, scratch);
          filled = 0;
        }
      }
    }
    if (filled > 0) run(jobs, blocks, filled, scratch);
  }

 private:
  using U32 = typename Vectors<W>::U32;

  struct Block {
    std::size_t job;
    std::size_t number;
  };

  /// Writes a block's input into its lane; the key's words only when another key stood there.
  VPN_KERNEL_INLINE void place(const KernelJob& job, std::size_t number, std::size_t lane, KernelScratch& scratch) {
    std::uint32_t* rows = scratch.rows + lane;
    if (scratch.keys[lane] != job.key) {
      scratch.keys[lane] = job.key;
      for (std::size_t i = 0; i < 4; ++i) rows[i * W] = kConstants[i];
      for (std::size_t i = 0; i < 8; ++i) rows[(4 + i) * W] = load<std::uint32_t>(job.key + 4 * i);
    }
    rows[12 * W] = static_cast<std::uint32_t>(number);
    rows[14 * W] = static_cast<std::uint32_t>(job.counter);
    rows[15 * W] = static_cast<std::uint32_t>(job.counter >> 32);
  }

  VPN_KERNEL_INLINE void run(const KernelJob* jobs, const Block* blocks, std::size_t filled, KernelScratch& scratch) {
    make_stream(scratch);
    for (std::size_t lane = 0; lane < filled; ++lane) {
      const auto [job, number] = blocks[lane];
      const std::uint8_t* stream = scratch.stream[lane];
      if (number == 0) {
        __builtin_memcpy(scratch.one_time_keys[job], stream, sizeof scratch.one_time_keys[job]);
        continue;
      }
      const std::size_t offset = (number - 1) * 64;
      const std::size_t left = jobs[job].size - offset;
      if (left >= 64) {
        add_whole(jobs[job].text + offset, stream);
      } else {
        add_partial(jobs[job].text + offset, stream, left);
      }
    }
  }

  VPN_KERNEL_INLINE void add_whole(std::uint8_t* text, const std::uint8_t* stream) {
    for (std::size_t i = 0; i < 64; i += sizeof(U32)) store(text + i, load<U32>(text + i) ^ load<U32>(stream + i));
  }

  template <typename Word>
  VPN_KERNEL_INLINE void add_word(std::uint8_t*& text, const std::uint8_t*& stream, std::size_t& size) {
    store(text, static_cast<Word>(load<Word>(text) ^ load<Word>(stream)));
    text += sizeof(Word);
    stream += sizeof(Word);
    size -= sizeof(Word);
  }

  VPN_KERNEL_INLINE void add_partial(std::uint8_t* text, const std::uint8_t* stream, std::size_t size) {
    while (size >= 16) add_word<Pair>(text, stream, size);
    if (size >= 8) add_word<std::uint64_t>(text, stream, size);
    if (size >= 4) add_word<std::uint32_t>(text, stream, size);
    if (size >= 2) add_word<std::uint16_t>(text, stream, size);
    if (size >= 1) add_word<std::uint8_t>(text, stream, size);
  }

  VPN_KERNEL_INLINE void quarter_round(U32& a, U32& b, U32& c, U32& d) {
    a += b, d = Vectors<W>::template rotate<16>(d ^ a);
    c += d, b = Vectors<W>::template rotate<12>(b ^ c);
    a += b, d = Vectors<W>::template rotate<8>(d ^ a);
    c += d, b = Vectors<W>::template rotate<7>(b ^ c);
  }

  VPN_KERNEL_INLINE U32 row(const KernelScratch& scratch, std::size_t i) { return load<U32>(scratch.rows + i * W); }

  static void make_stream(KernelScratch& scratch) {
    U32 x0 = row(scratch, 0), x1 = row(scratch, 1), x2 = row(scratch, 2), x3 = row(scratch, 3);
    U32 x4 = row(scratch, 4), x5 = row(scratch, 5), x6 = row(scratch, 6), x7 = row(scratch, 7);
    U32 x8 = row(scratch, 8), x9 = row(scratch, 9), x10 = row(scratch, 10), x11 = row(scratch, 11);
    U32 x12 = row(scratch, 12), x13 = row(scratch, 13), x14 = row(scratch, 14), x15 = row(scratch, 15);
    for (int double_round = 0; double_round < 10; ++double_round) {
      quarter_round(x0, x4, x8, x12);
      quarter_round(x1, x5, x9, x13);
      quarter_round(x2, x6, x10, x14);
      quarter_round(x3, x7, x11, x15);
      quarter_round(x0, x5, x10, x15);
      quarter_round(x1, x6, x11, x12);
      quarter_round(x2, x7, x8, x13);
      quarter_round(x3, x4, x9, x14);
    }
    // By the columns of each four rows: a lane's words 0 to 3, 4 to 7 and so on now follow each other.
    x0 += row(scratch, 0), x1 += row(scratch, 1), x2 += row(scratch, 2), x3 += row(scratch, 3);
    Vectors<W>::transpose_fours(x0, x1, x2, x3);
    x4 += row(scratch, 4), x5 += row(scratch, 5), x6 += row(scratch, 6), x7 += row(scratch, 7);
    Vectors<W>::transpose_fours(x4, x5, x6, x7);
    x8 += row(scratch, 8), x9 += row(scratch, 9), x10 += row(scratch, 10), x11 += row(scratch, 11);
    Vectors<W>::transpose_fours(x8, x9, x10, x11);
    x12 += row(scratch, 12), x13 += row(scratch, 13), x14 += row(scratch, 14), x15 += row(scratch, 15);
    Vectors<W>::transpose_fours(x12, x13, x14, x15);
    // Each of these four holds the lanes i, 4 + i, 8 + i ...
    Vectors<W>::store_blocks(scratch.stream, 0, x0, x4, x8, x12);
    Vectors<W>::store_blocks(scratch.stream, 1, x1, x5, x9, x13);
    Vectors<W>::store_blocks(scratch.stream, 2, x2, x6, x10, x14);
    Vectors<W>::store_blocks(scratch.stream, 3, x3, x7, x11, x15);
  }

  static constexpr std::uint32_t kConstants[4] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
};

}  // namespace
}  // namespace vpn::engine::crypto
