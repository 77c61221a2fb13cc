#include "engine/protocol/drop_reason.h"

namespace vpn::engine::protocol {

std::string_view to_string(DropReason reason) {
  switch (reason) {
    case DropReason::kNone:
      return "none";
    case DropReason::kMalformed:
      return "malformed";
    case DropReason::kUnknownIndex:
      return "unknown_index";
    case DropReason::kAuthenticationFailed:
      return "authentication_failed";
    case DropReason::kReplayed:
      return "replayed";
    case DropReason::kSessionExpired:
      return "session_expired";
    case DropReason::kInvalidMac1:
      return "invalid_mac1";
    case DropReason::kInvalidHandshake:
      return "invalid_handshake";
    case DropReason::kReplayedInitiation:
      return "replayed_initiation";
    case DropReason::kInitiationFlood:
      return "initiation_flood";
    case DropReason::kUnknownPeer:
      return "unknown_peer";
    case DropReason::kRateLimited:
      return "rate_limited";
    case DropReason::kCookieRequired:
      return "cookie_required";
    case DropReason::kHandshakeQueueFull:
      return "handshake_queue_full";
    case DropReason::kSourceNotAllowed:
      return "source_not_allowed";
    case DropReason::kMalformedInner:
      return "malformed_inner";
    case DropReason::kNoPeer:
      return "no_peer";
    case DropReason::kNoEndpoint:
      return "no_endpoint";
    case DropReason::kStagedFull:
      return "staged_full";
    case DropReason::kCount:
      break;
  }
  return "unknown";
}

}  // namespace vpn::engine::protocol
