// Secret<N>: N bytes that wipe themselves, refuse to print and compare in constant time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <span>

#include "base/bytes.h"

namespace vpn {

/// Overwrites memory with zeros in a way that the compiler may not leave out.
void wipe(void* memory, std::size_t size);

/// True when both views hold the same bytes; its time depends on the length alone.
bool equal_constant_time(ByteView a, ByteView b);

/// N secret bytes, zero at first. A copy is as secret as its original, and each wipes itself.
template <std::size_t N>
class Secret {
 public:
  static constexpr std::size_t kSize = N;

  Secret() = default;
  explicit Secret(std::span<const std::uint8_t, N> bytes) { std::memcpy(bytes_.data(), bytes.data(), N); }
  Secret(const Secret&) = default;
  Secret& operator=(const Secret&) = default;
  ~Secret() { wipe(); }

  void wipe() { vpn::wipe(bytes_.data(), N); }

  /// The bytes themselves. The caller hands them to cryptography or to a 0600 file, never to a log.
  std::span<const std::uint8_t, N> reveal() const { return bytes_; }
  std::span<std::uint8_t, N> reveal_mutable() { return bytes_; }

  bool is_zero() const {
    static constexpr std::array<std::uint8_t, N> kZero{};
    return equal_constant_time(bytes_, kZero);
  }

  friend bool operator==(const Secret& a, const Secret& b) { return equal_constant_time(a.bytes_, b.bytes_); }
  friend std::ostream& operator<<(std::ostream&, const Secret&) = delete;

 private:
  std::array<std::uint8_t, N> bytes_{};
};

}  // namespace vpn
