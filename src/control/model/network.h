// The gateway's network as settings describe it. Plain values.
#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>

#include "base/check.h"
#include "base/ip.h"

namespace vpn::control {

/// The address of an IPv6 network, a /96 or larger, whose last 32 bits are an IPv4 address; those between are zero.
inline IpAddress embed_v4(const IpPrefix& network, const IpAddress& v4) {
  CHECK(network.address.is_v6() && network.length <= 96 && v4.is_v4());
  std::array<std::uint8_t, 16> bytes{};
  const IpAddress first = network.masked().address;
  std::memcpy(bytes.data(), first.bytes().data(), 12);
  std::memcpy(bytes.data() + 12, v4.bytes().data(), 4);
  return IpAddress::v6_from_bytes(bytes.data());
}

struct Network {
  IpPrefix gateway;                       ///< the gateway's address with the subnet's length: 192.168.2.1/24
  std::optional<IpPrefix> gateway6 = {};  ///< the same in IPv6, fd00:2::1/64, a /96 or larger; none: no IPv6 in the VPN
  std::string allowed_ips = "0.0.0.0/0,::/0";  ///< PEER_ALLOWED_IPS: what new clients are told to route here
  std::string server_ip;                       ///< SERVER_IP: where clients find us (an address or a host name)
  std::uint16_t server_port = 51820;           ///< SERVER_PORT: the advertised UDP port
  std::uint16_t persistent_keepalive_s = 25;   ///< on our side, as the original sets it

  /// The IPv6 address of the client that has this IPv4 one. It is stored nowhere: every gateway and every restart
  /// derives the same (docs/adr/0009-ipv6-addresses.md).
  std::optional<IpAddress> ipv6_of(const IpAddress& client) const {
    if (!gateway6) return std::nullopt;
    return embed_v4(*gateway6, client);
  }
};

}  // namespace vpn::control
