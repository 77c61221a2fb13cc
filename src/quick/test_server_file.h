// For the tests of `import`: the parts of a server's wg-quick file.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/encoding.h"
#include "base/key.h"

namespace vpn::quick {

inline constexpr const char* kPrivate = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";

/// The public key whose bytes are all `number`.
inline std::string key(std::uint8_t number) {
  std::array<std::uint8_t, kKeySize> bytes{};
  bytes.fill(number);
  return base64_encode(bytes);
}

/// The section of a client, with its name in a comment above.
inline std::string peer(std::uint8_t number, const std::string& allowed_ips, const std::string& name = "") {
  return (name.empty() ? "" : "# " + name + "\n") + "[Peer]\nPublicKey = " + key(number) +
         "\nAllowedIPs = " + allowed_ips + "\n\n";
}

}  // namespace vpn::quick
