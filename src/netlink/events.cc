#include "netlink/events.h"

#include <linux/netlink.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>

namespace vpn::netlink {
namespace {

// As much as the kernel puts into one datagram.
constexpr std::size_t kReceiveBytes = 32 * 1024;
// A storm of changes leaves time for other things: what is left makes the socket readable again.
constexpr int kReadsAtOnce = 64;

}  // namespace

Result<Events> Events::open(int protocol, std::initializer_list<int> groups) {
  UniqueFd fd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol));
  if (!fd) return fail(system_error("cannot open a netlink socket", errno));
  // Without a port of its own a socket has the kernel's, 0, and nobody hears what he said himself.
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail(system_error("cannot bind a netlink socket", errno));
  }
  for (const int group : groups) {
    if (::setsockopt(fd.get(), SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) != 0) {
      return fail(system_error("cannot listen to what the kernel tells over netlink", errno));
    }
  }
  return Events(std::move(fd));
}

bool Events::read(const std::function<void(const nlmsghdr& message)>& on_message) const {
  alignas(nlmsghdr) std::array<char, kReceiveBytes> buffer;
  bool whole = true;
  for (int i = 0; i < kReadsAtOnce; ++i) {
    // MSG_TRUNC: the true size, should it not fit.
    const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), MSG_TRUNC);
    if (size < 0 && errno != ENOBUFS) break;
    if (size < 0 || static_cast<std::size_t>(size) > buffer.size()) {
      whole = false;
      continue;
    }
    int left = static_cast<int>(size);
    for (auto* message = reinterpret_cast<const nlmsghdr*>(buffer.data()); mnl_nlmsg_ok(message, left);
         message = mnl_nlmsg_next(message, &left)) {
      on_message(*message);
    }
  }
  return whole;
}

}  // namespace vpn::netlink
