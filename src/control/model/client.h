// A client: a person's or machine's way in, as it is stored. Plain values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/ip.h"
#include "base/key.h"

namespace vpn::control {

struct Client {
  PublicKey public_key;
  std::optional<PresharedKey> preshared_key;  ///< never the client's private key: we do not have it
  IpAddress address;                          ///< IPv4, inside the VPN's subnet, unique
  std::string allowed_ips;                    ///< what the client was told it reaches, "0.0.0.0/0,::/0"
  std::string name;                           ///< up to 64 bytes of printable UTF-8, unique unless empty
  bool enabled = true;
  WallTime created_at{};

  bool operator==(const Client&) const = default;
};

}  // namespace vpn::control
