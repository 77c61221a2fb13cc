// A tunnel's status as the stock `wg` prints it: what GET /info and GET /info/conf answer. Pure.
#pragma once

#include <string>

#include "base/clock.h"
#include "tunnel/tunnel.h"

namespace vpn::control {

/// `wg show <interface>`, without colours: peers by latest handshake, secrets as "(hidden)".
std::string wg_show(const tunnel::TunnelStatus& status, WallTime now);

/// `wg showconf <interface>`: holds the private key and every preshared one.
std::string wg_showconf(const tunnel::TunnelStatus& status);

}  // namespace vpn::control
