// An interface's own side of the network: its MTU, its addresses, up.
//
// One thread, its caller's.
#pragma once

#include <string_view>

#include "base/error.h"
#include "host/host.h"

namespace vpn::host {

/// At most 15 characters of [a-zA-Z0-9_=+.-], as the wg tools take them. Anything else is kInvalidArgument: such a name
/// goes into rule text.
Status check_interface_name(std::string_view name);

/// Host::configure_link. Addresses that are not wanted go, IPv6 link-local ones excepted (the kernel makes those).
/// kInvalidArgument, kNotFound (no such interface), kPermissionDenied (NET_ADMIN), kIo with the kernel's words.
Status configure_link(const LinkConfig& config);

/// Host::check_link, but for forwarding.
Status check_link(const LinkConfig& config);
/// Removes the interface with this index, and with it its addresses and routes. One that is gone already is no error.
Status remove_link(unsigned index);

}  // namespace vpn::host
