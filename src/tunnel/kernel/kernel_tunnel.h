// The tunnel that is the kernel's own WireGuard, over generic netlink: no `wg`, and not a packet through this process.
//
// The interface outlives the process. It carries the site's traffic, so a restart, an upgrade or a crash of the gateway
// costs nobody a packet: the next start adopts it with its peers and their sessions. Only remove() takes it away.
//
// What the kernel cannot do (docs/adr/0007):
// - call the clients of another replica (InterfaceConfig::has_replicas), which configure() says in the log;
// - tell of changes by others, such as `wg set`: the look at learned endpoints finds them;
// - look up one peer: peer() reads on, to half of them on average;
// - take a large change as one: it goes in messages of some 250 peers, and when one fails, those before it stand and
//   the next difference goes on from there.
//
// Owned by main. Safe from any thread. Its own thread "wg-kernel" looks what the kernel has, while somebody listens.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>

#include "base/clock.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "tunnel/kernel/device_reader.h"
#include "tunnel/kernel/device_writer.h"
#include "tunnel/kernel/kernel_link.h"
#include "tunnel/tunnel.h"

namespace vpn::tunnel {

struct KernelTunnelOptions {
  std::string interface_name = "wg0";
  std::uint32_t link_group = kOurLinkGroup;  ///< of the interface: one of another group is somebody else's
  /// The kernel tells nobody when it learns an endpoint, or when somebody else changes a peer: it is asked so often,
  /// and less often when it holds so many peers that the asking would take more than a hundredth of a processor.
  std::chrono::milliseconds look_interval{10'000};
};

class KernelTunnel final : public Tunnel {
 public:
  /// The kernel's own limit (drivers/net/wireguard/peer.h).
  static constexpr std::size_t kMaxPeers = std::size_t{1} << 20;
  /// Of so many removed peers the endpoints are remembered, for as long as a session lasts (Reject-After-Time).
  static constexpr std::size_t kMaxDeparted = 1024;
  static constexpr std::chrono::seconds kDepartedLifetime{180};

  /// Makes the interface, down and without an address, or adopts ours as it is. kUnsupported: this kernel has no
  /// WireGuard, our engine may do. kAlreadyExists: the name belongs to an interface that is not ours, or another
  /// process serves it. clock and logger outlive the tunnel.
  static Result<std::unique_ptr<KernelTunnel>> open(const KernelTunnelOptions& options, const Clock& clock,
                                                    Logger& logger);
  /// Takes the interface of that name, if it is ours and nobody serves it, and with it every session. None is no error;
  /// kAlreadyExists when it is not ours or is being served.
  static Status remove(const std::string& interface_name, std::uint32_t link_group = kOurLinkGroup);

  ~KernelTunnel() override;

  std::string_view kind() const override { return "kernel"; }
  const std::string& interface_name() const override { return options_.interface_name; }
  Status configure(const InterfaceConfig& config) override;
  Status ready() const override { return {}; }  ///< a link whose port is taken does not come up
  Status apply(const Delta& delta) override;
  /// The firewall mark of the encrypted packets; 0: none.
  Status set_fwmark(std::uint32_t mark);
  Result<TunnelStatus> status() const override;
  Result<std::optional<PeerStatus>> peer(const PublicKey& key) const override;
  Status restore_endpoints(std::span<const PeerEndpoint> endpoints) override;
  /// As of the last look, which is at most look_interval ago.
  std::vector<PeerEndpoint> take_learned_endpoints() override;
  void on_learned_endpoints(std::function<void()> listener) override;
  /// Of peers that are gone or changed, at the next look.
  void on_foreign_change(std::function<void()> listener) override;

  /// Readable once the interface is gone, and the program should end.
  int closed_fd() const { return removal_.get(); }

 private:
  /// A peer that was removed lately. Its client goes on sending in its session and, hearing nothing, would call only
  /// after 15 s; so when the peer is set again, as a disabled client is enabled, we call.
  struct Departed {
    Endpoint endpoint;
    Instant when;
  };
  struct Seen {
    PeerEndpoint endpoint;
    bool taken = false;
  };

  KernelTunnel(const KernelTunnelOptions& options, const Clock& clock, Logger& logger)
      : options_(options), clock_(clock), logger_(logger) {}
  Status attach();
  // The caller holds talking_.
  Result<TunnelStatus> read(const DeviceReader& fresh_reader) const;
  DeviceWriter writer(std::string what) const;
  void remember(std::span<const PublicKey> departing);
  Endpoint take_remembered(const PublicKey& returning);

  void start_looking();

  // On the thread wg-kernel.
  void look_until_stopped();
  void look();
  bool note_changes(const std::vector<PeerStatus>& present);
  bool note_endpoints(const std::vector<PeerStatus>& present);

  const KernelTunnelOptions options_;
  const Clock& clock_;
  Logger& logger_;
  UniqueFd claim_;
  UniqueFd removal_;
  unsigned index_ = 0;        ///< of the interface
  std::uint16_t family_ = 0;  ///< WireGuard's number in generic netlink

  /// Held over a conversation with the kernel (which is a few calls of ours, and no waiting): the messages of two
  /// changes do not mingle, and no change of ours makes a dump inconsistent.
  mutable std::mutex talking_;
  std::unordered_map<PublicKey, Departed> departed_;  ///< guarded by talking_
  std::unordered_map<PublicKey, Peer> expected_;      ///< guarded by talking_: the peers as we left them

  std::mutex seen_mutex_;                     ///< taken after talking_
  std::unordered_map<PublicKey, Seen> seen_;  ///< guarded by seen_mutex_, and so are the listeners
  std::function<void()> learned_listener_, foreign_listener_;

  UniqueFd stop_;  ///< an eventfd, readable when the thread is to end
  std::thread looker_;
};

}  // namespace vpn::tunnel
