// The three keys of a WireGuard peer. Arithmetic on them lives in engine/crypto/x25519.h.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/secret.h"

namespace vpn {

constexpr std::size_t kKeySize = 32;
/// 44: a key as text is 43 base64 characters and one '='.
constexpr std::size_t kKeyTextSize = 44;

/// A Curve25519 public key: 32 bytes, no secret.
struct PublicKey {
  std::array<std::uint8_t, kKeySize> bytes{};

  /// 44 canonical base64 characters. Any 32 bytes pass; whether they are a fit point is x25519.h's question.
  static std::optional<PublicKey> parse(std::string_view base64);
  bool is_zero() const { return bytes == std::array<std::uint8_t, kKeySize>{}; }
  auto operator<=>(const PublicKey&) const = default;
};

std::string to_string(const PublicKey& key);

/// A Curve25519 private key, clamped or not (x25519 clamps). All zeros means "none", as in the wg tools.
class PrivateKey : public Secret<kKeySize> {
 public:
  using Secret::Secret;
  static std::optional<PrivateKey> parse(std::string_view base64);
};

/// The symmetric key mixed into a handshake. All zeros is the same as none (WireGuard paper, section 5.2).
class PresharedKey : public Secret<kKeySize> {
 public:
  using Secret::Secret;
  static std::optional<PresharedKey> parse(std::string_view base64);
};

/// The base64 text of a secret key, for the one answer or file that must hold it. The caller wipes it when it can.
std::string reveal_base64(const Secret<kKeySize>& key);

}  // namespace vpn

template <>
struct std::hash<vpn::PublicKey> {
  // Unkeyed: anyone may ask for a key of their choosing, but only an authorised caller adds one: no chain grows long.
  std::size_t operator()(const vpn::PublicKey& key) const noexcept {
    return std::hash<std::string_view>{}({reinterpret_cast<const char*>(key.bytes.data()), key.bytes.size()});
  }
};
