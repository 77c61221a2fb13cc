// libnftables behind one call. It prints nothing: what it would print is in the answer or in the error.
//
// One thread, its caller's.
#pragma once

#include <string>

#include "base/error.h"

namespace vpn::host {

/// Runs nft commands as one transaction and returns their output (rule handles included). On failure nothing has
/// changed: kPermissionDenied without NET_ADMIN, kUnsupported where the kernel has no nf_tables, else kIo with
/// libnftables' own words.
Result<std::string> run_nftables(const std::string& commands);

/// What the kernel's refusal of an nf_tables request means to an operator.
Error nftables_error(int error_number);

}  // namespace vpn::host
