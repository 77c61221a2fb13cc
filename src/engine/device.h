// A running WireGuard interface: a TUN device, UDP sockets, the workers between them, and the protocol core.
//
// Owned by whoever opened it (tunnel/userspace or the `engine` command). Methods are safe from any thread; the
// destructor stops the workers, closes the sockets and removes the TUN device.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/random.h"
#include "engine/counters.h"
#include "engine/io/offloads.h"
#include "engine/io/tun.h"
#include "engine/protocol/config.h"

namespace vpn::engine {

struct DeviceParts;

constexpr std::size_t kMaxWorkers = 64;
/// One for every two processors that this process may run on, 1 to 8: the kernel has as much to do for a packet as the
/// engine has, and each worker some hundred KB of buffers.
std::size_t default_workers();

struct DeviceOptions {
  std::string interface_name = "wg0";  ///< at most 15 characters of [a-zA-Z0-9_=+.-]
  int mtu_bytes = 1420;
  std::size_t workers = default_workers();  ///< 1 to kMaxWorkers
  io::Offloads offloads = {};               ///< those that may be used, where the kernel has them
};

class Device {
 public:
  /// Creates the TUN device (down, no address). kPermissionDenied without NET_ADMIN, kAlreadyExists when the name is
  /// taken, kUnavailable without /dev/net/tun. clock, random and logger outlive the device.
  static Result<std::unique_ptr<Device>> open(const DeviceOptions& options, const Clock& clock, Random& random,
                                              Logger& logger);
  /// The same on the queues of a TUN device that exists already, a worker for each. Which offloads are on stands in the
  /// log then.
  static Result<std::unique_ptr<Device>> run_on(io::TunQueues tuns, io::Offloads offloads, const Clock& clock,
                                                Random& random, Logger& logger);
  /// The same on parts of the caller's (device_parts.h).
  static Result<std::unique_ptr<Device>> assemble(DeviceParts parts, const Clock& clock, Random& random,
                                                  Logger& logger);
  ~Device();
  Device(const Device&) = delete;
  Device& operator=(const Device&) = delete;

  const std::string& interface_name() const;

  /// Applies a change, all or nothing. Sockets open at the first listen_port or private key while the link is up;
  /// listen_port 0 takes a free port. kUnavailable when the port is taken.
  Status configure(const protocol::InterfaceUpdate& update);
  /// Success unless the sockets could not be opened as the link came up; the next configure() or link up tries again.
  Status listening() const;
  protocol::InterfaceSnapshot snapshot() const;
  /// One peer, at a cost that does not grow with their number; nothing when there is none.
  std::optional<protocol::PeerSnapshot> peer(const PublicKey& key) const;
  /// What passed and what was dropped since open().
  CounterValues counters() const;
  /// What one worker, number < DeviceOptions::workers, had of it.
  CounterValues worker_counters(std::size_t number) const;

  std::vector<protocol::LearnedEndpoint> take_learned_endpoints();
  /// Called on an engine thread when there are learned endpoints to take, at most once per batch; it must only post or
  /// set a flag. Set before traffic, once.
  void on_learned_endpoints(std::function<void()> listener);

  /// Readable (POLLIN) once the interface was removed from outside or a worker failed; the owner then ends. Never read
  /// from it.
  int closed_fd() const;

 private:
  class Impl;
  explicit Device(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace vpn::engine
