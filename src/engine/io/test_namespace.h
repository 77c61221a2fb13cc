// A network namespace for tests that make devices: the calling thread's own from here on, gone with the process. Needs
// root.
#pragma once

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>

#include "base/unique_fd.h"

namespace vpn::engine::io::test {

inline void enter_new_namespace() {
  ASSERT_EQ(::unshare(CLONE_NEWNET), 0) << "this test makes network namespaces, run it as root: "
                                        << std::strerror(errno);
}

inline void change_interface(const std::string& name, unsigned long request, ifreq change) {
  std::copy_n(name.begin(), std::min<std::size_t>(name.size(), IFNAMSIZ - 1), std::begin(change.ifr_name));
  const UniqueFd control(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(::ioctl(control.get(), request, &change), 0) << std::strerror(errno);
}

inline void set_mtu(const std::string& name, int mtu_bytes) {
  ifreq change{};
  change.ifr_mtu = mtu_bytes;
  change_interface(name, SIOCSIFMTU, change);
}

inline void set_up(const std::string& name, bool up) {
  ifreq change{};
  change.ifr_flags = up ? IFF_UP : 0;
  change_interface(name, SIOCSIFFLAGS, change);
}

/// The address in a /24.
inline void set_address(const std::string& name, const char* address) {
  for (const auto& [request, text] : {std::pair(SIOCSIFADDR, address), std::pair(SIOCSIFNETMASK, "255.255.255.0")}) {
    sockaddr_in socket_address{};
    socket_address.sin_family = AF_INET;
    ASSERT_EQ(::inet_pton(AF_INET, text, &socket_address.sin_addr), 1);
    ifreq change{};
    std::memcpy(&change.ifr_addr, &socket_address, sizeof socket_address);
    change_interface(name, static_cast<unsigned long>(request), change);
  }
}

}  // namespace vpn::engine::io::test
