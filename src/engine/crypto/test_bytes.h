// Test vectors as hex text.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/encoding.h"
#include "base/secret.h"

namespace vpn::engine::crypto {

inline std::vector<std::uint8_t> from_hex(std::string_view text) {
  std::vector<std::uint8_t> bytes(text.size() / 2);
  EXPECT_TRUE(hex_decode(text, bytes)) << text;
  return bytes;
}

template <std::size_t N>
std::array<std::uint8_t, N> array_from_hex(std::string_view text) {
  std::array<std::uint8_t, N> bytes;
  EXPECT_TRUE(hex_decode(text, bytes)) << text;
  return bytes;
}

template <typename SecretType>
SecretType secret_from_hex(std::string_view text) {
  return SecretType(array_from_hex<SecretType::kSize>(text));
}

template <std::size_t N>
std::string reveal_hex(const Secret<N>& secret) {
  return hex_encode(secret.reveal());
}

inline ByteView as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

/// `size` bytes 0, 1, 2, ...
inline std::vector<std::uint8_t> counting_bytes(std::size_t size) {
  std::vector<std::uint8_t> bytes(size);
  for (std::size_t i = 0; i < size; ++i) bytes[i] = static_cast<std::uint8_t>(i);
  return bytes;
}

}  // namespace vpn::engine::crypto
