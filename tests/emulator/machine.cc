// A program without an operating system that compares the AVX-512 kernel with the same source compiled for any
// processor, over batches of many kinds. It ends with `hlt`, and the count of batches that agreed in rax.
#include "engine/crypto/aead_kernel.h"

extern "C" void* memset(void* to, int value, std::size_t size);

namespace vpn::engine::crypto {
extern const AeadKernel kEmulatedKernel;

namespace {

constexpr std::size_t kBatches = 60;
constexpr std::size_t kLongest = 2100;
constexpr std::size_t kRoom = kLongest + 64;

std::uint64_t state = 88172645463325252;  // xorshift64
std::uint64_t below(std::uint64_t limit) {
  state ^= state << 13;
  state ^= state >> 7;
  state ^= state << 17;
  return state % limit;
}

struct Side {
  std::uint8_t room[16][kRoom];
  KernelJob jobs[16];
  KernelScratch scratch;
};
Side ours, theirs;
std::uint8_t keys[4][32];

bool same(const void* a, const void* b, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    if (static_cast<const std::uint8_t*>(a)[i] != static_cast<const std::uint8_t*>(b)[i]) return false;
  }
  return true;
}

void make_batch(std::size_t count) {
  for (auto& key : keys) {
    for (std::uint8_t& byte : key) byte = static_cast<std::uint8_t>(below(256));
  }
  const std::size_t longest = 1 + below(kLongest);
  const bool equal = below(2) == 0;
  for (std::size_t i = 0; i < count; ++i) {
    // All ones and all zeros carry furthest.
    const std::uint64_t fill = below(4);
    for (std::size_t j = 0; j < kRoom; ++j) {
      ours.room[i][j] = static_cast<std::uint8_t>(fill == 0 ? 0xff : fill == 1 ? 0 : below(256));
      theirs.room[i][j] = ours.room[i][j];
    }
    const std::size_t offset = below(64), size = equal ? longest : below(longest + 1);
    const KernelJob job{keys[below(4)], below(2) == 0 ? i : state, nullptr, size};
    ours.jobs[i] = {job.key, job.counter, ours.room[i] + offset, size};
    theirs.jobs[i] = {job.key, job.counter, theirs.room[i] + offset, size};
  }
}

bool agree(std::size_t batch) {
  const std::size_t count = batch % 3 == 0 ? 16 : 1 + below(16);
  make_batch(count);
  const KeyStream part = batch % 2 == 0 ? KeyStream::kBoth : KeyStream::kOneTimeKeys;
  kAvx512Kernel.cipher(ours.jobs, count, part, ours.scratch);
  kEmulatedKernel.cipher(theirs.jobs, count, part, theirs.scratch);
  if (!same(ours.scratch.one_time_keys, theirs.scratch.one_time_keys, sizeof ours.scratch.one_time_keys)) return false;
  if (batch % 5 == 0) {
    memset(ours.scratch.one_time_keys, 0xff, sizeof ours.scratch.one_time_keys);
    memset(theirs.scratch.one_time_keys, 0xff, sizeof theirs.scratch.one_time_keys);
  }
  kAvx512Kernel.authenticate(ours.jobs, count, ours.scratch);
  kEmulatedKernel.authenticate(theirs.jobs, count, theirs.scratch);
  const bool good = same(ours.room, theirs.room, sizeof ours.room) &&
                    same(ours.scratch.tags, theirs.scratch.tags, count * sizeof ours.scratch.tags[0]);
  ours.scratch = theirs.scratch = {};
  return good;
}

}  // namespace
}  // namespace vpn::engine::crypto

extern "C" std::size_t compare_all() {
  std::size_t batch = 0;
  while (batch < vpn::engine::crypto::kBatches && vpn::engine::crypto::agree(batch)) ++batch;
  return batch;
}

extern "C" [[gnu::naked]] void start() {
  asm("call compare_all\n hlt");
}

// What the compiler may call by itself.
extern "C" void* memset(void* to, int value, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) static_cast<volatile std::uint8_t*>(to)[i] = static_cast<std::uint8_t>(value);
  return to;
}
extern "C" void* memcpy(void* to, const void* from, std::size_t size) {
  for (std::size_t i = 0; i < size; ++i) {
    static_cast<volatile std::uint8_t*>(to)[i] = static_cast<const std::uint8_t*>(from)[i];
  }
  return to;
}
