#include "base/random.h"

#include <sys/random.h>

#include <cerrno>

#include "base/check.h"

namespace vpn {

std::uint32_t Random::next_u32() {
  std::array<std::uint8_t, 4> bytes{};
  fill(bytes);
  return load_le32(bytes.data());
}

std::uint32_t Random::below(std::uint32_t bound) {
  CHECK(bound > 0);
  // Lemire's multiply-shift; the rejection removes the bias.
  const std::uint32_t threshold = (0u - bound) % bound;
  while (true) {
    const std::uint64_t product = static_cast<std::uint64_t>(next_u32()) * bound;
    if (static_cast<std::uint32_t>(product) >= threshold) return static_cast<std::uint32_t>(product >> 32);
  }
}

void SystemRandom::fill(MutableBytes out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got = getrandom(out.data() + done, out.size() - done, 0);
    // With no flags and a valid buffer, an interrupted wait for the first seed is the only failure (getrandom(2)).
    CHECK(got > 0 || errno == EINTR);
    if (got > 0) done += static_cast<std::size_t>(got);
  }
}

std::uint64_t SeededRandom::next() {
  state_ += 0x9e3779b97f4a7c15u;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return z ^ (z >> 31);
}

void SeededRandom::fill(MutableBytes out) {
  for (std::size_t i = 0; i < out.size(); i += 8) {
    std::array<std::uint8_t, 8> word{};
    store_le64(word.data(), next());
    std::memcpy(out.data() + i, word.data(), std::min<std::size_t>(8, out.size() - i));
  }
}

}  // namespace vpn
