// The kernel's switches, as sysctl(8) names them. Only reads.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vpn::doctor {

struct Sysctl {
  std::string name;  ///< net.ipv4.ip_forward
  std::optional<std::uint64_t> value;
  bool writable = false;  ///< by this process
};

/// `path` below /proc/sys, for example net/ipv4/conf/eth0/rp_filter.
Sysctl read_sysctl(const std::string& path);

}  // namespace vpn::doctor
