// SaveConfig: what an interface is at its end becomes the file that it is made from next time.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "control/service/secret_text.h"
#include "quick/record.h"
#include "quick/wg_quick_file.h"
#include "tunnel/tunnel.h"

namespace vpn::quick {

/// The file anew: WireGuard's part, and the addresses, from the interface as it is, the rest as it was. Comments are
/// lost, as with wg-quick. Pure.
control::SecretText saved_text(const WgQuickFile& file, tunnel::TunnelStatus status,
                               const std::vector<IpPrefix>& addresses);

/// Writes the file of the record anew, 0600, whole or not at all, when it says SaveConfig = true. What keeps it from
/// being saved is an error, and the old file stays; an interface that is gone has nothing to save.
Status save_if_wanted(const Record& record, const std::function<void(const std::string&)>& note);

}  // namespace vpn::quick
