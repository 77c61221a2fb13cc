// What the engine counts: packets, offloads, drops by reason. One set for each worker, so that counting costs no locked
// instruction; whoever shows them adds the sets up.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/io/tun.h"
#include "engine/io/udp.h"
#include "engine/protocol/drop_reason.h"

namespace vpn::engine {

enum class Counter : std::uint8_t {
  kTunPacketsRead,  ///< after segmentation
  kTunBytesRead,
  kTunTcpSuperPacketsRead,  ///< that were segmented here (tso)
  kTunUdpSuperPacketsRead,  ///< the same (uso)
  kTunMalformed,            ///< metadata that contradicts the packet
  kTunWrites,               ///< packets and super-packets
  kTunBytesWritten,
  kTunTcpSuperPacketsWritten,  ///< (tso)
  kTunUdpSuperPacketsWritten,  ///< (uso)
  kTunTcpResegmented,          ///< super-packets the kernel refused, written packet by packet (tso)
  kTunUdpResegmented,          ///< the same (uso)
  kTunWritesDropped,
  kUdpDatagramsReceived,
  kUdpBytesReceived,
  kUdpCoalescedReceives,  ///< receives of several datagrams (gro)
  kUdpDatagramsSent,
  kUdpSegmentedSends,  ///< messages of several datagrams (gso)
  kUdpUnsegmented,     ///< messages of several the kernel refused, sent datagram by datagram (gso)
  kUdpSourceRetries,   ///< sent again without a source address that is ours no more
  kUdpSendsDropped,
  kIcmpSent,  ///< unreachable messages to the sender of a packet that has nowhere to go
  kCount,
};

/// A metric-name form: "udp_datagrams_sent".
std::string_view to_string(Counter counter);

struct CounterValues {
  std::array<std::uint64_t, static_cast<std::size_t>(Counter::kCount)> counts{};
  std::array<std::uint64_t, static_cast<std::size_t>(protocol::DropReason::kCount)> drops{};

  std::uint64_t operator[](Counter counter) const { return counts[static_cast<std::size_t>(counter)]; }
  std::uint64_t operator[](protocol::DropReason reason) const { return drops[static_cast<std::size_t>(reason)]; }
  CounterValues& operator+=(const CounterValues& other);
};

/// Written by one thread at a time, read by any.
class Counters {
 public:
  void add(Counter counter, std::uint64_t count = 1) { increase(counts_[static_cast<std::size_t>(counter)], count); }
  void add_drop(protocol::DropReason reason) { increase(drops_[static_cast<std::size_t>(reason)], 1); }
  void add(const io::TunWriteReport& report);
  void add(const io::UdpSendReport& report);

  std::uint64_t value(Counter counter) const {
    return counts_[static_cast<std::size_t>(counter)].load(std::memory_order_relaxed);
  }
  CounterValues values() const;

 private:
  using Cell = std::atomic<std::uint64_t>;
  // One writer: a load and a store, not a locked addition.
  static void increase(Cell& cell, std::uint64_t count) {
    cell.store(cell.load(std::memory_order_relaxed) + count, std::memory_order_relaxed);
  }

  std::array<Cell, static_cast<std::size_t>(Counter::kCount)> counts_{};
  std::array<Cell, static_cast<std::size_t>(protocol::DropReason::kCount)> drops_{};
};

}  // namespace vpn::engine
