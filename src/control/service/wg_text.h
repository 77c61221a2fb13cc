// A tunnel's status as the stock `wg` prints it: what GET /info and GET /info/conf answer. Pure.
#pragma once

#include <vector>

#include "base/clock.h"
#include "control/service/secret_text.h"
#include "tunnel/tunnel.h"

namespace vpn::control {

enum class WgFormat {
  kShow,      ///< `wg show <interface>`, without colours: peers by latest handshake, secrets as "(hidden)"
  kShowconf,  ///< `wg showconf <interface>`: holds the private key and every preshared one
};

/// The text, in pieces: whole, that of 100,000 peers is 27 MB and a fifth of a second.
class WgText {
 public:
  /// A piece ends with the peer in which it grows so large.
  static constexpr std::size_t kPieceBytes = std::size_t{32} << 10;

  WgText(WgFormat format, tunnel::TunnelStatus status, WallTime now);
  WgText(const WgText&) = delete;
  WgText& operator=(const WgText&) = delete;

  /// Appends the next piece; false when it was the last.
  bool append_next(SecretText& out);

 private:
  const WgFormat format_;
  const tunnel::TunnelStatus status_;
  const WallTime now_;
  std::vector<const tunnel::PeerStatus*> peers_;  // in the order of printing
  std::size_t next_ = 0;
};

}  // namespace vpn::control
