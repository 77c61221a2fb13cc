// The wg-quick text that makes any WireGuard app a client of ours. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/ip.h"
#include "base/key.h"

namespace vpn::control {

/// What a client needs to know: its own keys, and the gateway's answer to its creation.
struct WgQuickConfig {
  PrivateKey private_key;
  std::optional<PresharedKey> preshared_key;
  IpPrefix address;                       ///< 192.168.2.2/32
  std::optional<IpPrefix> address6 = {};  ///< fd00:2::c0a8:202/128
  PublicKey server_key;
  std::string server_host;  ///< an address, or a host name
  std::uint16_t server_port = 51820;
  std::string allowed_ips;  ///< 0.0.0.0/0,::/0
};

/// As wg-quick(8) reads it. Holds the private key: the caller keeps the text to itself.
std::string to_text(const WgQuickConfig& config);

}  // namespace vpn::control
