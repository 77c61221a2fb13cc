// Explicit congestion notification through the tunnel (RFC 6040 section 4.1 for the outer byte, 4.2 for the inner one).
// As in the kernel (receive.c: INET_ECN_decapsulate) a packet that is not ECN-capable is delivered as it is under an
// outer CE, where the RFC has it dropped. Pure functions.
#pragma once

#include <cstdint>

#include "base/bytes.h"

namespace vpn::engine::protocol {

/// The outer TOS or traffic class of handshake messages: DSCP AF41, no ECN (kernel messages.h: HANDSHAKE_DSCP).
constexpr std::uint8_t kHandshakeTrafficClass = 0x88;

/// The outer byte for an inner IPv4 or IPv6 packet: DSCP 0 (it would tell an observer what flows inside), its ECN, with
/// CE sent as ECT(0), as the outer path is a path of its own (kernel INET_ECN_encapsulate). 0 for anything else.
std::uint8_t outer_traffic_class(ByteView inner);

/// Carries the outer packet's mark into the inner one, a whole IPv4 or IPv6 header at least: CE into what is ECT(0) or
/// ECT(1), ECT(1) into what is ECT(0). The IPv4 header checksum stays right.
void merge_outer_ecn(std::uint8_t outer_traffic_class, MutableBytes inner);

}  // namespace vpn::engine::protocol
