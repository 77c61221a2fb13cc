// Where the kernel refused a message of several datagrams, for a while: the datagrams of such a path leave one by one,
// and then the kernel is asked again. A route's device that cannot checksum and a segment that exceeds the path's MTU
// are a path's own, and both can end.
//
// Safe from any thread; a race costs one refused message more. Fixed in size: a path may push another one out.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

#include "base/ip.h"

namespace vpn::engine::io {

class RefusedPaths {
 public:
  /// Messages after which the kernel is asked again: what is refused then is a thousandth of the work.
  static constexpr std::uint64_t kMessages = 1024;

  void add(const IpAddress& remote) {
    const std::uint64_t hash = hash_of(remote);
    cell(hash).store((hash & kHashMask) | kMessages, std::memory_order_relaxed);
  }

  /// Whether a message to `remote` is to hold one datagram only. Each yes counts.
  bool take(const IpAddress& remote) {
    const std::uint64_t hash = hash_of(remote);
    const std::uint64_t value = cell(hash).load(std::memory_order_relaxed);
    if ((value & ~kHashMask) == 0 || (value & kHashMask) != (hash & kHashMask)) return false;
    cell(hash).store(value - 1, std::memory_order_relaxed);
    return true;
  }

 private:
  static constexpr std::size_t kPaths = 64;
  /// A cell is the upper bits of a path's hash, and the count of messages left.
  static constexpr std::uint64_t kHashMask = ~std::uint64_t{0xffff};
  static_assert(kMessages <= 0xffff);
  using Cell = std::atomic<std::uint64_t>;

  static std::uint64_t hash_of(const IpAddress& remote) { return std::hash<IpAddress>{}(remote); }
  Cell& cell(std::uint64_t hash) { return cells_[hash % kPaths]; }

  std::array<Cell, kPaths> cells_{};
};

}  // namespace vpn::engine::io
