// Writes changes of a WireGuard device as the kernel takes them: WG_CMD_SET_DEVICE messages (linux/wireguard.h), as
// many as are needed, each as full as it may be.
//
// Pure but for what it is given to send with. One thread, its owner's.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "base/error.h"
#include "netlink/request.h"
#include "tunnel/tunnel.h"

namespace vpn::tunnel {

/// What is to become of a peer; what is absent stays as it is.
struct PeerChange {
  PublicKey public_key;
  std::uint32_t flags = 0;                         ///< WGPEER_F_*
  std::optional<PresharedKey> preshared_key = {};  ///< all zeros: none
  std::optional<std::uint16_t> persistent_keepalive_s = {};
  Endpoint endpoint = {};
  std::span<const IpPrefix> allowed_ips = {};  ///< added, or with WGPEER_F_REPLACE_ALLOWEDIPS all that there are
};

class DeviceWriter {
 public:
  /// An attribute holds 64 KiB at most, and so do all peers of a message. This is less, because the kernel takes no
  /// other change of any interface while it works on a message: some 250 peers.
  static constexpr std::size_t kMessageBytes = 32 * 1024;

  using Send = std::function<Status(netlink::Request&)>;

  /// `family`: of generic netlink; `index`: of the interface.
  DeviceWriter(std::uint16_t family, unsigned index, Send send);

  /// Before any peer.
  void set_private_key(const PrivateKey& key);
  void set_listen_port(std::uint16_t port);
  void set_fwmark(std::uint32_t mark);
  /// Each sends what no longer fits, and returns what came of that.
  Status add(const PeerChange& change);
  /// Sends the rest, if there is any.
  Status finish();

 private:
  void begin();
  Status send();
  void open_peer(const PublicKey& key, std::uint32_t flags);
  void close_peer();
  Status add_allowed_ips(const PeerChange& change);

  const std::uint16_t family_;
  const unsigned index_;
  const Send send_;
  std::unique_ptr<netlink::Request> message_;  ///< null while there is nothing to say
  nlattr* peers_ = nullptr;                    ///< open nests of message_, outer to inner
  nlattr* peer_ = nullptr;
};

}  // namespace vpn::tunnel
