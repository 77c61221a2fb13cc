// The difference between what a tunnel should hold and what it holds. Pure.
#pragma once

#include <span>

#include "tunnel/tunnel.h"

namespace vpn::tunnel {

/// The smallest delta that turns `actual` into `wanted`: O(n), order of allowed IPs aside. No preshared key and an
/// all-zero one are the same. Keys in `wanted` are unique.
Delta diff(std::span<const Peer> wanted, std::span<const PeerStatus> actual);

}  // namespace vpn::tunnel
