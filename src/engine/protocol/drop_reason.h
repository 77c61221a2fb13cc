// Why a packet or a message was not taken. A drop is an ordinary outcome: it is counted, never logged, never thrown.
#pragma once

#include <cstdint>
#include <string_view>

namespace vpn::engine::protocol {

enum class DropReason : std::uint8_t {
  kNone,
  // From the network.
  kMalformed,             ///< wrong type, length or reserved bytes
  kUnknownIndex,          ///< no session or handshake has that receiver index
  kAuthenticationFailed,  ///< the AEAD tag is wrong
  kReplayed,              ///< counter seen before, behind the window, or past Reject-After-Messages
  kSessionExpired,        ///< older than Reject-After-Time
  kInvalidMac1,           ///< not made for our public key
  kInvalidHandshake,      ///< the noise state refuses it
  kReplayedInitiation,    ///< timestamp not greater than the last
  kInitiationFlood,       ///< more than 50 a second from one peer
  kUnknownPeer,           ///< a static key that we do not know
  kRateLimited,           ///< more handshakes from one source than its bucket holds
  kCookieRequired,        ///< under load, a cookie reply was sent instead
  kHandshakeQueueFull,    ///< 4096 handshake messages wait
  kSourceNotAllowed,      ///< the inner source is not in the peer's allowed IPs
  kMalformedInner,        ///< not IP, or shorter than its header says
  // From the tunnel device.
  kNoPeer,      ///< no peer's allowed IPs hold the destination (the device answers ICMP host unreachable)
  kNoEndpoint,  ///< the peer's address is not known (ICMP address unreachable)
  kStagedFull,  ///< 128 packets wait for a handshake, the oldest went
  kCount,
};

/// A metric-label form: "authentication_failed".
std::string_view to_string(DropReason reason);

}  // namespace vpn::engine::protocol
