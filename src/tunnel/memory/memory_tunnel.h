// A tunnel that is only its own state: an honest fake for the tests of everything above the seam. It keeps the contract
// of tunnel.h to the letter, and a test may make it fail, take its port away, or have a peer's packets arrive.
//
// Safe from any thread; the learned-endpoints listener is called without the lock.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "tunnel/tunnel.h"

namespace vpn::tunnel {

class MemoryTunnel final : public Tunnel {
 public:
  static constexpr std::size_t kMaxPeers = 1u << 20;

  explicit MemoryTunnel(std::string interface_name = "wg0", std::size_t max_peers = kMaxPeers);

  std::string_view kind() const override { return "memory"; }
  const std::string& interface_name() const override { return interface_name_; }
  Status configure(const InterfaceConfig& config) override;
  Status ready() const override;
  Status apply(const Delta& delta) override;
  Result<TunnelStatus> status() const override;
  Result<std::optional<PeerStatus>> peer(const PublicKey& key) const override;
  Status restore_endpoints(std::span<const PeerEndpoint> endpoints) override;
  std::vector<PeerEndpoint> take_learned_endpoints() override;
  void on_learned_endpoints(std::function<void()> listener) override;
  void on_foreign_change(std::function<void()>) override {}

  // --- What a test may do to it ---

  /// The next `calls` calls that can fail do, with `error`, and change nothing.
  void fail_next(std::size_t calls, Error error);
  /// Somebody else holds the port from now on.
  void occupy_port(std::uint16_t port);
  /// ready() answers so from now on.
  void set_ready(Status ready);
  /// An authenticated handshake of a peer, from `endpoint`. Nothing happens when the peer is unknown.
  void learn(const PublicKey& key, const Endpoint& endpoint, WallTime handshake);
  /// Traffic of a peer, in bytes, added to its counters. Nothing happens when the peer is unknown.
  void add_traffic(const PublicKey& key, std::uint64_t rx_bytes, std::uint64_t tx_bytes);

 private:
  // With the lock held:
  Status take_failure() const;
  void remove_peer(const PublicKey& key);
  void set_peer(const Peer& peer);
  void disown(const Peer& peer);

  const std::string interface_name_;
  const std::size_t max_peers_;

  mutable std::mutex mutex_;  // guards everything below
  InterfaceConfig config_{PrivateKey(), 0};
  PublicKey public_key_;
  std::unordered_map<PublicKey, PeerStatus> peers_;
  std::map<IpPrefix, PublicKey> owners_;  // of every allowed IP
  std::unordered_map<PublicKey, PeerEndpoint> learned_;
  std::function<void()> listener_;
  std::set<std::uint16_t> occupied_ports_;
  mutable std::size_t failures_left_ = 0;
  Error failure_;
  Status ready_;
};

}  // namespace vpn::tunnel
