// Clients as people read them. Pure.
#pragma once

#include <span>
#include <string>

#include "base/clock.h"
#include "control/api/unix_client.h"

namespace vpn::cli {

/// One line per client under a line of headings; one sentence when there is none.
std::string format_client_table(std::span<const control::ListedClient> clients, WallTime now);

/// One client, a line per property.
std::string format_client_details(const control::ListedClient& client, WallTime now);

}  // namespace vpn::cli
