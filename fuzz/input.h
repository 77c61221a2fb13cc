// A fuzzer's bytes, taken from the front as numbers and blocks. Past the end all is zero, so every input is a whole
// one.
//
// A view; one thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

#include "base/bytes.h"

namespace vpn::fuzz {

using Bytes = std::vector<std::uint8_t>;

/// A copy that is as large as its bytes and no larger: a read past the end is found.
inline Bytes copy_of(ByteView bytes) {
  return Bytes(bytes.begin(), bytes.end());
}

inline std::string_view text_of(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

class Input {
 public:
  explicit Input(ByteView bytes) : rest_(bytes) {}

  bool empty() const { return rest_.empty(); }

  std::uint8_t u8() {
    const ByteView byte = take(1);
    return byte.empty() ? std::uint8_t{0} : byte[0];
  }
  std::uint16_t u16() {
    const std::uint8_t high = u8();
    return static_cast<std::uint16_t>(high << 8 | u8());
  }
  bool flag() { return (u8() & 1) != 0; }

  /// Up to `size` bytes, what there is.
  ByteView take(std::size_t size) {
    const ByteView taken = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  /// A length of 16 bits, and so many bytes.
  ByteView block() { return take(u16()); }
  ByteView rest() { return take(rest_.size()); }

 private:
  ByteView rest_;
};

}  // namespace vpn::fuzz
