// Who carries the packets, the kernel's WireGuard or our own engine, and why; and the TUN device that our engine needs.
#pragma once

#include <string>

#include "cli/settings.h"
#include "doctor/finding.h"

namespace vpn::doctor {

enum class KernelWireGuard {
  kPresent,
  kLoadable,  ///< its module is on the disk, and `serve` has the kernel load it
  kNone,
};

struct TunnelFacts {
  cli::TunnelChoice choice = cli::TunnelChoice::kAuto;
  KernelWireGuard kernel = KernelWireGuard::kNone;
  bool serves = false;
  std::string interface_name = {};
  std::string link_kind = {};  ///< of the interface: "wireguard", "tun" or another; empty: there is none
  bool link_is_ours = false;

  /// Who carries, or would.
  bool by_kernel() const;
};

/// /dev/net/tun, by the errno of looking at it and of opening it; 0 when that went well.
struct TunFacts {
  bool needed = false;
  int look_error = 0;
  bool is_tun = false;  ///< a character device of the right number
  int open_error = 0;
  bool as_root = true;
};

TunnelFacts look_at_tunnel(const cli::Settings& settings, bool serves);
TunFacts look_at_tun(bool needed);

// Pure.
Finding judge_tunnel(const TunnelFacts& facts);
Finding judge_tun(const TunFacts& facts);

}  // namespace vpn::doctor
