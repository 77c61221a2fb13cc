// The difference between what a tunnel should hold and what it holds. Pure.
#pragma once

#include <span>

#include "tunnel/tunnel.h"

namespace vpn::tunnel {

/// Whether two peers of one key are the same: allowed IPs are sets, and no preshared key is an all-zero one.
bool is_same(const Peer& a, const Peer& b);

/// The delta that turns `actual` into `wanted`: it names the peers that differ and no other, in the order given.
/// O(n) for n peers with a few allowed IPs each. In `wanted` a key stands once, and an allowed IP belongs to one peer.
Delta diff(std::span<const Peer> wanted, std::span<const PeerStatus> actual);

}  // namespace vpn::tunnel
