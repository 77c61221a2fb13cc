// Text that may hold keys, and wipes its memory before it gives it back: when it grows, and when it goes.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "base/key.h"
#include "base/secret.h"

namespace vpn::control {

template <typename T>
struct WipingAllocator {
  using value_type = T;

  WipingAllocator() = default;
  template <typename U>
  explicit(false) WipingAllocator(const WipingAllocator<U>&) {}

  T* allocate(std::size_t count) { return std::allocator<T>().allocate(count); }
  void deallocate(T* memory, std::size_t count) {
    wipe(memory, count * sizeof(T));
    std::allocator<T>().deallocate(memory, count);
  }
  friend bool operator==(const WipingAllocator&, const WipingAllocator&) { return true; }
};

/// For texts longer than the 15 bytes that a string keeps within itself: every key and token is.
using SecretText = std::basic_string<char, std::char_traits<char>, WipingAllocator<char>>;

/// Appends the base64 text of a key, and leaves no other copy; in a std::string that has room for it.
template <typename Text>
void append_key(Text& out, const Secret<kKeySize>& key) {
  std::string text = reveal_base64(key);
  out += text;
  wipe(text.data(), text.size());
}

}  // namespace vpn::control
