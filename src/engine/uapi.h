// The text protocol of WireGuard's userspace implementations (wireguard.com/xplatform), as pure functions: lines to
// InterfaceUpdates, an InterfaceSnapshot to lines.
//
// Errors are errno values. Strict where wireguard-go is: an unknown key, a value out of range or a peer's key before
// its public_key refuses the request.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "base/error.h"
#include "engine/protocol/config.h"

namespace vpn::engine {

/// The errno that stands for a failed configuration.
int uapi_errno(const Error& error);

/// A `set` request under way. It is taken apart into updates of bounded size, so that a request for a million peers
/// needs no more memory than one for a thousand. Each update is all or nothing, and so is a request that fits into one;
/// of a larger one, what was applied before an error stays applied, as in the kernel and wireguard-go.
class UapiSetRequest {
 public:
  static constexpr std::size_t kMaxPeersPerUpdate = 1024;
  static constexpr std::size_t kMaxAllowedIpsPerUpdate = 8192;

  /// True when what is collected should be taken before `line` is added.
  bool full_at(std::string_view line) const;

  /// Adds one `key=value` line, without its newline. 0, or the errno: EPROTO for a line without `=`, else EINVAL.
  int add_line(std::string_view line);

  /// What has been collected. The next update goes on with the same peer.
  protocol::InterfaceUpdate take();

 private:
  int add_device_key(std::string_view key, std::string_view value);
  int add_peer_key(std::string_view key, std::string_view value);
  int add_allowed_ip(protocol::PeerUpdate& peer, std::string_view value);

  protocol::InterfaceUpdate update_;
  std::size_t allowed_ips_ = 0;
};

/// The answer to a `get` request, in parts.
class UapiGetAnswer {
 public:
  static constexpr std::size_t kMaxPartBytes = 64 * 1024;

  explicit UapiGetAnswer(protocol::InterfaceSnapshot snapshot) : snapshot_(std::move(snapshot)) {}

  /// Appends the next part, at most kMaxPartBytes; false when that was the last. It holds keys: the caller wipes it.
  bool append_next(std::string& text);

 private:
  void append_device(std::string& text) const;
  static void append_peer(std::string& text, const protocol::PeerSnapshot& peer);

  protocol::InterfaceSnapshot snapshot_;
  std::size_t next_peer_ = 0;
  std::size_t next_allowed_ip_ = 0;  ///< of next_peer_; above 0 its other lines are out
  bool device_done_ = false;
};

}  // namespace vpn::engine
