// The gateway's network as settings describe it. Plain values.
#pragma once

#include <cstdint>
#include <string>

#include "base/ip.h"

namespace vpn::control {

struct Network {
  IpPrefix gateway;                            ///< the gateway's address with the subnet's length: 192.168.2.1/24
  std::string allowed_ips = "0.0.0.0/0,::/0";  ///< PEER_ALLOWED_IPS: what new clients are told to route here
  std::string server_ip;                       ///< SERVER_IP: where clients find us (an address or a host name)
  std::uint16_t server_port = 51820;           ///< SERVER_PORT: the advertised UDP port
  std::uint16_t persistent_keepalive_s = 25;   ///< on our side, as the original sets it
};

}  // namespace vpn::control
