// The ports that the gateway listens on: free where it does not serve; where it serves, its own and read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/ip.h"
#include "cli/settings.h"
#include "doctor/finding.h"
#include "doctor/proc.h"

namespace vpn::doctor {

struct PortFacts {
  std::uint16_t port = 0;
  bool serves = false;
  bool held = false;                   ///< a socket is there that ours would meet, or that is ours
  std::optional<Process> holder = {};  ///< none: the kernel, or nobody that we may see
  int gateway_process = 0;             ///< 0: it was not told
  bool kernel_is_ours = false;         ///< the kernel may hold it for us: its WireGuard is our tunnel
  bool reads = true;                   ///< what was sent there was taken
};

PortFacts look_at_udp_port(std::uint16_t port, bool serves, int gateway_process, bool kernel_is_ours);
PortFacts look_at_api_port(const IpAddress& address, std::uint16_t port, bool serves, int gateway_process);

// Pure.
Finding judge_udp_port(const PortFacts& facts);
Finding judge_api_port(const PortFacts& facts);

}  // namespace vpn::doctor
