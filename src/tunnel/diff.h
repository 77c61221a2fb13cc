// The difference between what a tunnel should hold and what it holds. Pure.
#pragma once

#include <span>

#include "tunnel/tunnel.h"

namespace vpn::tunnel {

/// The delta that turns `actual` into `wanted`: it names the peers that differ and no other, in the order given.
/// Allowed IPs are sets, and no preshared key is the same as an all-zero one. O(n) for n peers with a few allowed IPs
/// each. In `wanted` a key stands once, and an allowed IP belongs to one peer.
Delta diff(std::span<const Peer> wanted, std::span<const PeerStatus> actual);

}  // namespace vpn::tunnel
