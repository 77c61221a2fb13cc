// THE SEAM between the control of clients and WireGuard itself, be it the kernel's or our engine's.
//
// The store is the truth and a tunnel converges to it: only differences cross this seam, so a change to one client
// costs the others not one packet, and an endpoint that a peer's packets taught survives. tunnel_contract_test.h is the
// contract, run on every implementation.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/ip.h"
#include "base/key.h"

namespace vpn::tunnel {

/// What we want a peer to be.
struct Peer {
  PublicKey public_key;
  std::optional<PresharedKey> preshared_key;
  std::vector<IpPrefix> allowed_ips;         ///< masked; any order
  std::uint16_t persistent_keepalive_s = 0;  ///< 0: off

  bool operator==(const Peer&) const = default;
};

/// What is to change. A key stands in one of the two lists, once.
struct Delta {
  std::vector<Peer> set;  ///< added, or made to be exactly this (the endpoint stays as it was learned)
  std::vector<PublicKey> remove;

  bool empty() const { return set.empty() && remove.empty(); }
};

/// A peer's last known address, to be kept over a restart.
struct PeerEndpoint {
  PublicKey public_key;
  Endpoint endpoint;
  WallTime last_handshake{};
};

struct PeerStatus {
  Peer peer;
  Endpoint endpoint;          ///< none until learned
  WallTime last_handshake{};  ///< 1970: never
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
};

struct TunnelStatus {
  std::string interface_name;
  PrivateKey private_key;
  PublicKey public_key;
  std::uint16_t listen_port = 0;
  std::uint32_t fwmark = 0;
  std::vector<PeerStatus> peers;  ///< any order
};

/// One thing that a tunnel counts since its start, as a metric is named.
struct Count {
  std::string_view name;    ///< "udp_datagrams_sent", "drops"; static
  std::string_view reason;  ///< of "drops" alone: "no_peer"; static
  std::uint64_t value = 0;
};

struct InterfaceConfig {
  PrivateKey private_key;
  std::uint16_t listen_port = 51820;
  /// Other gateways (replicas) hold the same key and peers. A client whose session was with one of them is called,
  /// where the tunnel can (docs/adr/0006).
  bool has_replicas = false;
};

/// Every method is safe from any thread and returns soon: no network, no disk.
class Tunnel {
 public:
  virtual ~Tunnel() = default;

  /// "userspace", "kernel" or "memory", for people.
  virtual std::string_view kind() const = 0;
  virtual const std::string& interface_name() const = 0;

  /// Sets the interface's own key and port; peers stay. kUnavailable when the port is taken.
  virtual Status configure(const InterfaceConfig& config) = 0;
  /// Success while it hears its peers, as far as that is its own matter: not when its port could not be opened as the
  /// link came up. The link itself is the host's.
  virtual Status ready() const = 0;
  /// Applies a delta, all or nothing. Removing an unknown key is no error; setting a peer moves its allowed IPs here
  /// from any peer that held them. kExhausted above the tunnel's own limit.
  virtual Status apply(const Delta& delta) = 0;
  virtual Result<TunnelStatus> status() const = 0;
  /// One peer, at a cost that does not grow with their number; nothing when there is none.
  virtual Result<std::optional<PeerStatus>> peer(const PublicKey& key) const = 0;
  /// What passed and what was dropped; empty where others keep count.
  virtual std::vector<Count> counts() const { return {}; }

  /// Gives peers that have no endpoint the one they had before a restart, so that they are called at once. Unknown keys
  /// are ignored.
  virtual Status restore_endpoints(std::span<const PeerEndpoint> endpoints) = 0;
  /// Endpoints learned and handshakes completed since the last call.
  virtual std::vector<PeerEndpoint> take_learned_endpoints() = 0;
  /// `listener` is called, on any thread, when there are some to take; it must only post. Set once, before traffic.
  virtual void on_learned_endpoints(std::function<void()> listener) = 0;

  /// `listener` is called, on any thread, after somebody else (`wg set`) changed the tunnel, where it hears of that; it
  /// must only post.
  virtual void on_foreign_change(std::function<void()> listener) = 0;
};

}  // namespace vpn::tunnel
