// An interface's configuration as values: a change to apply, and a snapshot to show. The same model serves UAPI and the
// userspace tunnel.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "base/clock.h"
#include "base/ip.h"
#include "base/key.h"

namespace vpn::engine::protocol {

struct AllowedIpChange {
  IpPrefix prefix = {};
  bool remove = false;
};

/// A change to one peer; what is unset stays as it is.
struct PeerUpdate {
  PublicKey public_key = {};
  bool remove = false;
  bool update_only = false;  ///< do nothing when the peer does not exist
  std::optional<PresharedKey> preshared_key = {};
  std::optional<Endpoint> endpoint = {};
  bool endpoint_is_learned = false;  ///< `endpoint` is a memory of an earlier life: it is called, but not for ever
  std::optional<std::uint16_t> persistent_keepalive_s = {};  ///< 0: off
  bool replace_allowed_ips = false;
  std::vector<AllowedIpChange> allowed_ips = {};
};

/// A change to the interface; what is unset stays as it is.
struct InterfaceUpdate {
  std::optional<PrivateKey> private_key = {};  ///< all zeros: none
  std::optional<std::uint16_t> listen_port = {};
  std::optional<std::uint32_t> fwmark = {};
  /// Other gateways hold the same key and peers, so a session that we do not know may be one of theirs, at any time:
  /// its peer is called (docs/adr/0006), not only in the first 180 s after the peer was added.
  std::optional<bool> has_replicas = {};
  bool replace_peers = false;
  std::vector<PeerUpdate> peers = {};
};

struct PeerSnapshot {
  PublicKey public_key = {};
  PresharedKey preshared_key;
  Endpoint endpoint;
  std::uint16_t persistent_keepalive_s = 0;
  WallTime last_handshake{};  ///< 1970: never
  std::uint64_t rx_bytes = 0;
  std::uint64_t tx_bytes = 0;
  std::vector<IpPrefix> allowed_ips;
};

struct InterfaceSnapshot {
  PrivateKey private_key;
  PublicKey public_key = {};  ///< zero without a private key
  std::uint16_t listen_port = 0;
  std::uint32_t fwmark = 0;
  std::vector<PeerSnapshot> peers;
};

/// An address learned from an authenticated packet.
struct LearnedEndpoint {
  PublicKey public_key = {};
  Endpoint endpoint;
  WallTime last_handshake{};
};

}  // namespace vpn::engine::protocol
