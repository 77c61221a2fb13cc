// What the kernel tells in /proc: switches and counters, open sockets, a process's rights. Only reads.
//
// One thread, its caller's.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip.h"

namespace vpn::doctor {

/// A file that holds one number, such as /proc/sys/net/ipv4/ip_forward; none when it is not there or cannot be read.
std::optional<std::uint64_t> read_number(const std::string& path);

/// A socket that listens (TCP) or is bound (UDP), of this network namespace.
struct ListeningSocket {
  IpAddress address;
  std::uint16_t port = 0;
  std::uint64_t inode = 0;
  std::uint64_t unread_bytes = 0;  ///< of a UDP socket: what arrived and its process has not taken
};
enum class Protocol { kTcp, kUdp };
/// Those with this port, IPv4 and IPv6.
std::vector<ListeningSocket> sockets_at(Protocol protocol, std::uint16_t port);

struct Process {
  int id = 0;
  std::string name;
};
/// Who has the socket open; none when that is the kernel, or a process that we may not look at.
std::optional<Process> owner_of(std::uint64_t inode);

/// The effective capabilities of a process, a bit each (capability.h).
std::optional<std::uint64_t> capabilities_of(int process_id);

}  // namespace vpn::doctor
