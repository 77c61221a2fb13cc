// ChaCha20 and Poly1305 for several packets side by side: what an AeadEngine of our own is made of (docs/adr/0008).
//
// A kernel is compiled for one instruction set and may run only where the processor has it, so this header has nothing
// in it that a compiler could emit as a shared inline function: plain data and pointers. Text is touched from its first
// to its last byte and nowhere else, at any alignment. Time depends on sizes and counts alone.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vpn::engine::crypto {

/// A packet's text without its tag. The nonce is the counter, and the text begins with the key stream's block 1
/// (RFC 8439, section 2.8).
struct KernelJob {
  const std::uint8_t* key;  ///< 32 bytes
  std::uint64_t counter;
  std::uint8_t* text;
  std::size_t size;
};

/// Room for the widest kernel. All of it is secret: who called wipes it when the batch is done. All zero, it is new.
struct alignas(64) KernelScratch {
  static constexpr std::size_t kMaxLanes = 16;

  std::uint32_t rows[16 * kMaxLanes];         ///< ChaCha20's input, word by word for all lanes
  const std::uint8_t* keys[kMaxLanes];        ///< whose words stand in each lane's rows
  std::uint8_t stream[kMaxLanes][64];         ///< a block of key stream for each lane
  std::uint8_t one_time_keys[kMaxLanes][32];  ///< Poly1305's key of each job
  std::uint64_t limbs[5 * kMaxLanes];         ///< Poly1305's sum of each lane
  std::uint8_t tags[kMaxLanes][16];           ///< out: of each job
};

/// What of the key stream cipher() makes: block 0 into scratch.one_time_keys, the rest over the text.
enum class KeyStream { kOneTimeKeys, kText, kBoth };

struct AeadKernel {
  const char* name;
  std::size_t lanes;  ///< the most jobs of a call, and the number at which it is fastest
  void (*cipher)(const KernelJob* jobs, std::size_t count, KeyStream part, KernelScratch& scratch);
  /// Tags of the texts as they are, from scratch.one_time_keys into scratch.tags.
  void (*authenticate)(const KernelJob* jobs, std::size_t count, KernelScratch& scratch);
};

extern const AeadKernel kAvx2Kernel;    ///< eight lanes
extern const AeadKernel kAvx512Kernel;  ///< sixteen; its Poly1305 needs IFMA

}  // namespace vpn::engine::crypto
