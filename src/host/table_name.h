// The names of our nftables tables. Pure.
#pragma once

#include <string>
#include <string_view>

namespace vpn::host {

/// The prefix and the interface's name, in the characters that nft takes: one table per interface, so that two of ours
/// on one machine do not meet. For a valid interface name; different names give different tables.
std::string table_name(std::string_view prefix, std::string_view interface_name);

}  // namespace vpn::host
