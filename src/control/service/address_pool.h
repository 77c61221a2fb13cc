// The VPN's addresses: which are free, lowest first.
//
// Free addresses are kept as intervals, so a /8 that is filled from below is one interval, and memory grows with the
// holes alone.
//
// A value of the control strand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>

#include "base/error.h"
#include "base/ip.h"

namespace vpn::control {

class AddressPool {
 public:
  /// All addresses of the gateway's subnet but the network's, the broadcast one and the gateway's own.
  /// kInvalidArgument, field WG_SUBNET, for anything but an IPv4 address inside a /8 to /30.
  static Result<AddressPool> create(const IpPrefix& gateway);

  /// How many clients the subnet holds: 253 for a /24.
  std::size_t capacity() const { return last_ - first_; }
  /// Whether it is an address for clients, free or not.
  bool contains(const IpAddress& address) const;

  /// Takes the lowest free address. Constant time, amortized.
  std::optional<IpAddress> allocate() { return allocate_from(0); }
  /// Takes the lowest free address from the `place`-th of the subnet on, or the lowest when there is none. O(log
  /// holes).
  std::optional<IpAddress> allocate_from(std::size_t place);
  /// Takes this one. False when it is taken or not for clients. O(log holes).
  [[nodiscard]] bool take(const IpAddress& address);
  /// Frees one that was taken. O(log holes).
  void release(const IpAddress& address);

 private:
  AddressPool(std::uint32_t first, std::uint32_t last, std::uint32_t gateway);

  std::uint32_t first_;  // the lowest and the highest address behind network and broadcast,
  std::uint32_t last_;   // the gateway's own among them
  std::uint32_t gateway_;
  std::map<std::uint32_t, std::uint32_t> free_;  // first -> last of each interval; no two touch
};

}  // namespace vpn::control
