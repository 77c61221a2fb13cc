// The offloads of the kernel that the engine uses, each with a switch. What is off, or what the kernel lacks, the
// engine does without: packet by packet.
#pragma once

#include <array>
#include <string_view>

namespace vpn::engine::io {

struct Offloads {
  bool tso = true;  ///< TCP super-packets from and to the TUN device
  bool uso = true;  ///< UDP super-packets, since Linux 6.2
  bool gso = true;  ///< several datagrams of one path in one message: UDP_SEGMENT, since Linux 4.18
  bool gro = true;  ///< several datagrams of one sender in one receive: UDP_GRO, since Linux 5.0

  bool operator==(const Offloads&) const = default;
};

struct OffloadSwitch {
  std::string_view name;
  bool Offloads::* on;
};

constexpr std::array<OffloadSwitch, 4> kOffloadSwitches{
    {{"tso", &Offloads::tso}, {"uso", &Offloads::uso}, {"gso", &Offloads::gso}, {"gro", &Offloads::gro}}};

constexpr Offloads kNoOffloads{.tso = false, .uso = false, .gso = false, .gro = false};

}  // namespace vpn::engine::io
