// A wg-quick file as text again, with what the interface has become. Pure.
#pragma once

#include <vector>

#include "base/ip.h"
#include "control/service/secret_text.h"
#include "quick/wg_quick_file.h"
#include "tunnel/tunnel.h"

namespace vpn::quick {

/// The file anew: WireGuard's part, and the addresses, from the interface as it is, the rest as it was. Comments are
/// lost, as with wg-quick.
control::SecretText saved_text(const WgQuickFile& file, tunnel::TunnelStatus status,
                               const std::vector<IpPrefix>& addresses);

}  // namespace vpn::quick
