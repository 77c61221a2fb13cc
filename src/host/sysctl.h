// The kernel's switches: files below /proc/sys that hold a digit.
//
// One thread, its caller's.
#pragma once

#include <string>

#include "base/error.h"

namespace vpn::host {

/// Whether there is such a switch and it holds this digit.
bool switch_is(const std::string& path, char digit);

/// kPermissionDenied with the system's reason and `cure` behind it, whatever the reason: a read-only /proc/sys, as in a
/// container, a missing capability, no such switch. The operator has to do it.
Status set_switch(const std::string& path, char digit, const std::string& cure);

/// net.ipv4.conf.all.src_valid_mark: the reverse path filter looks at a packet's firewall mark. It stays on: who else
/// counts on it is not to be known.
Status let_reverse_path_filter_see_marks(const std::string& path = "/proc/sys/net/ipv4/conf/all/src_valid_mark");

}  // namespace vpn::host
