// Bytes of which we know some: a packet's header of which only an address is told, a register that holds what a rule
// asked for and we cannot say. Pure.
#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/bytes.h"

namespace vpn::doctor::firewall {

using Bytes = std::vector<std::uint8_t>;

class PartialBytes {
 public:
  static constexpr std::size_t kSize = 64;

  /// What would lie behind the end is left out.
  void set(std::size_t offset, ByteView bytes) {
    for (std::size_t i = 0; i < bytes.size() && offset + i < kSize; ++i) {
      bytes_[offset + i] = bytes[i];
      known_[offset + i] = true;
    }
  }
  void forget(std::size_t offset, std::size_t size) {
    for (std::size_t i = offset; i < std::min(kSize, offset + size); ++i) known_[i] = false;
  }
  /// Those of another, known or not.
  void copy(const PartialBytes& other, std::size_t from, std::size_t size, std::size_t to) {
    for (std::size_t i = 0; i < size && to + i < kSize; ++i) {
      known_[to + i] = from + i < kSize && other.known_[from + i];
      if (known_[to + i]) bytes_[to + i] = other.bytes_[from + i];
    }
  }
  /// Whether they differ for certain: in one that is known.
  bool differ(std::size_t offset, ByteView bytes) const {
    for (std::size_t i = 0; i < bytes.size() && offset + i < kSize; ++i) {
      if (known_[offset + i] && bytes_[offset + i] != bytes[i]) return true;
    }
    return false;
  }
  /// None when one of them is not known.
  std::optional<Bytes> get(std::size_t offset, std::size_t size) const {
    if (size > kSize || offset > kSize - size) return std::nullopt;
    for (std::size_t i = offset; i < offset + size; ++i) {
      if (!known_[i]) return std::nullopt;
    }
    const auto* const from = bytes_.data() + offset;
    return Bytes(from, from + size);
  }

 private:
  std::array<std::uint8_t, kSize> bytes_{};
  std::bitset<kSize> known_;
};

}  // namespace vpn::doctor::firewall
