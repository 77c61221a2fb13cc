// What a device is put together from: Device::open() takes the machine's own, a test brings others.
#pragma once

#include <memory>
#include <optional>

#include "engine/io/link_watcher.h"
#include "engine/io/tun.h"
#include "engine/io/udp.h"

namespace vpn::engine {

struct DeviceParts {
  io::TunQueues tuns;  ///< as many workers are run
  io::UdpOpener open_udp;
  std::optional<io::LinkWatcher> link;  ///< none: the link is up from the start
};

}  // namespace vpn::engine
