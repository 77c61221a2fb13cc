#include "base/key.h"

#include "base/encoding.h"

namespace vpn {
namespace {

template <typename Key>
std::optional<Key> parse_secret(std::string_view base64) {
  Key key;
  if (!base64_decode(base64, key.reveal_mutable())) return std::nullopt;
  return key;
}

}  // namespace

std::optional<PublicKey> PublicKey::parse(std::string_view base64) {
  PublicKey key;
  if (!base64_decode(base64, key.bytes)) return std::nullopt;
  return key;
}

std::string to_string(const PublicKey& key) {
  return base64_encode(key.bytes);
}

std::optional<PrivateKey> PrivateKey::parse(std::string_view base64) {
  return parse_secret<PrivateKey>(base64);
}
std::optional<PresharedKey> PresharedKey::parse(std::string_view base64) {
  return parse_secret<PresharedKey>(base64);
}

std::string reveal_base64(const Secret<kKeySize>& key) {
  return base64_encode(key.reveal());
}

}  // namespace vpn
