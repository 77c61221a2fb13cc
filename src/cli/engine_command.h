// `vpn-enabler engine IFACE [--foreground]`: the userspace engine alone, with its UAPI socket. Called as `vpn-engine`
// it takes wireguard-go's place under wg-quick.
//
// One thread; called before the program has started any other, since it may fork.
#pragma once

#include <string>

#include "base/error.h"
#include "base/log.h"
#include "engine/device.h"
#include "engine/io/offloads.h"

namespace vpn::cli {

struct EngineOptions {
  std::string interface_name;
  bool foreground = false;
  std::size_t workers = engine::default_workers();
  engine::io::Offloads offloads = {};
};

/// Creates the interface and its UAPI socket and serves both until either is removed, or SIGTERM or SIGINT comes.
/// Unless in the foreground, the caller's process returns as soon as a child of it serves the socket. Returns the
/// process's exit code: 1, with the reason on stderr, when the engine could not start.
///
/// wireguard-go's environment variables work: WG_PROCESS_FOREGROUND=1 (as the option), LOG_LEVEL (silent, error,
/// verbose; in the background without it nothing is logged), WG_TUN_FD and WG_UAPI_FD (descriptors of an open TUN
/// device, which then has one worker, and of a listening UAPI socket to use).
int run_engine(const EngineOptions& options, Logger& logger);

/// The same in the background, whatever `options` says: returns when a child of this process serves the socket, or
/// with the reason why none does. In the child it does not return.
Status start_engine(const EngineOptions& options, Logger& logger);

}  // namespace vpn::cli
