// The tunnel that is our own engine: an adapter, with no state of its own, onto engine::Device, and the UAPI socket
// that lets stock `wg show` look at it.
//
// Owned by main. Safe from any thread, as the device is. Destruction removes the socket and the interface.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <optional>

#include "base/log.h"
#include "base/random.h"
#include "engine/device.h"
#include "engine/uapi_server.h"
#include "tunnel/tunnel.h"

namespace vpn::tunnel {

class UserspaceTunnel final : public Tunnel {
 public:
  /// Creates the TUN device, down and without an address; errors are those of engine::Device::open. Where there can be
  /// no UAPI socket (a read-only root), a warning says so and the tunnel does without. clock, random and logger outlive
  /// the tunnel.
  static Result<std::unique_ptr<UserspaceTunnel>> open(const engine::DeviceOptions& options, const Clock& clock,
                                                       Random& random, Logger& logger);

  std::string_view kind() const override { return "userspace"; }
  const std::string& interface_name() const override { return device_->interface_name(); }
  Status configure(const InterfaceConfig& config) override;
  Status ready() const override { return device_->listening(); }
  Status apply(const Delta& delta) override;
  Result<TunnelStatus> status() const override;
  Result<std::optional<PeerStatus>> peer(const PublicKey& key) const override;
  std::vector<Count> counts() const override;
  Status restore_endpoints(std::span<const PeerEndpoint> endpoints) override;
  std::vector<PeerEndpoint> take_learned_endpoints() override;
  void on_learned_endpoints(std::function<void()> listener) override;
  void on_foreign_change(std::function<void()> listener) override;

  /// engine::Device::closed_fd: readable once the interface is gone, and the program should end.
  int closed_fd() const { return device_->closed_fd(); }

 private:
  explicit UserspaceTunnel(std::unique_ptr<engine::Device> device) : device_(std::move(device)) {}
  Status open_uapi(const Clock& clock);
  Status configure_for_others(const engine::protocol::InterfaceUpdate& update);

  std::mutex others_mutex_;
  // Guarded by it: the UAPI socket serves before they are set.
  std::function<void()> foreign_listener_;
  std::optional<InterfaceConfig> config_;
  std::unique_ptr<engine::Device> device_;
  std::unique_ptr<engine::UapiServer> uapi_;  ///< serves device_, so it goes first; may be null
};

}  // namespace vpn::tunnel
