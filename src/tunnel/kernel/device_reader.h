// Reads what the kernel tells of a WireGuard device: the messages of a WG_CMD_GET_DEVICE dump (linux/wireguard.h), in
// which the peers continue from message to message, and so do the allowed IPs of one peer.
//
// Pure. One thread, its owner's.
#pragma once

#include <linux/netlink.h>

#include <optional>

#include "tunnel/tunnel.h"

namespace vpn::tunnel {

class DeviceReader {
 public:
  /// Of the device and its peers, this is read.
  static DeviceReader everything() { return DeviceReader(); }
  static DeviceReader device_only();
  static DeviceReader one_peer(const PublicKey& key);

  /// Reads one message. False: no later one has anything of what is read. A message costs its own size, however much
  /// came before.
  bool read(const nlmsghdr& message);

  /// What was read, but for the interface's name. Once, at the end.
  TunnelStatus take() { return std::move(status_); }

 private:
  DeviceReader() = default;
  void read_peers(const nlattr& peers);
  void add(PeerStatus part);

  bool device_only_ = false;
  std::optional<PublicKey> only_;
  bool passed_ = false;  // the one peer was read, and another stood behind it
  TunnelStatus status_;
};

}  // namespace vpn::tunnel
