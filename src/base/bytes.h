// Views of bytes, and little-endian loads and stores (WireGuard's messages are little-endian, RFC headers big-endian).
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <span>

namespace vpn {

using ByteView = std::span<const std::uint8_t>;
using MutableBytes = std::span<std::uint8_t>;

namespace internal {
template <typename T>
constexpr T byteswap(T value) {
  if constexpr (sizeof(T) == 2) return __builtin_bswap16(value);
  if constexpr (sizeof(T) == 4) return __builtin_bswap32(value);
  if constexpr (sizeof(T) == 8) return __builtin_bswap64(value);
}
template <typename T>
T load(const std::uint8_t* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}
template <typename T>
void store(std::uint8_t* to, T value) {
  std::memcpy(to, &value, sizeof value);
}
constexpr bool kLittleEndian = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
template <typename T>
constexpr T little(T value) {
  return kLittleEndian ? value : byteswap(value);
}
template <typename T>
constexpr T big(T value) {
  return kLittleEndian ? byteswap(value) : value;
}
}  // namespace internal

// Each reads or writes sizeof(T) bytes at the pointer, at any alignment.
inline std::uint32_t load_le32(const std::uint8_t* from) {
  return internal::little(internal::load<std::uint32_t>(from));
}
inline std::uint64_t load_le64(const std::uint8_t* from) {
  return internal::little(internal::load<std::uint64_t>(from));
}
inline std::uint16_t load_be16(const std::uint8_t* from) {
  return internal::big(internal::load<std::uint16_t>(from));
}
inline std::uint32_t load_be32(const std::uint8_t* from) {
  return internal::big(internal::load<std::uint32_t>(from));
}
inline std::uint64_t load_be64(const std::uint8_t* from) {
  return internal::big(internal::load<std::uint64_t>(from));
}
inline void store_le32(std::uint8_t* to, std::uint32_t value) {
  internal::store(to, internal::little(value));
}
inline void store_le64(std::uint8_t* to, std::uint64_t value) {
  internal::store(to, internal::little(value));
}
inline void store_be16(std::uint8_t* to, std::uint16_t value) {
  internal::store(to, internal::big(value));
}
inline void store_be32(std::uint8_t* to, std::uint32_t value) {
  internal::store(to, internal::big(value));
}
inline void store_be64(std::uint8_t* to, std::uint64_t value) {
  internal::store(to, internal::big(value));
}

}  // namespace vpn
