#include "engine/io/link_watcher.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/check.h"

namespace vpn::engine::io {
namespace {

// One message of rtnetlink is at most this long (kernel: NLMSG_GOODSIZE is a page; links with many attributes need
// more).
constexpr std::size_t kBufferBytes = 32 * 1024;

// Brings the calling thread back to the network namespace it was in. False when it could not: then do not leave.
class NamespaceGuard {
 public:
  NamespaceGuard() : home_(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) {
    if (!enter_home()) home_.reset();  // the way back, tried before the way out
  }
  ~NamespaceGuard() {
    // A worker in the wrong namespace would open its next sockets there.
    if (home_) CHECK(enter_home());
  }
  NamespaceGuard(const NamespaceGuard&) = delete;
  NamespaceGuard& operator=(const NamespaceGuard&) = delete;
  explicit operator bool() const { return static_cast<bool>(home_); }

 private:
  bool enter_home() const { return ::setns(home_.get(), CLONE_NEWNET) == 0; }

  UniqueFd home_;
};

}  // namespace

Result<LinkWatcher> LinkWatcher::open(int tun_fd) {
  LinkWatcher watcher(tun_fd);
  watcher.poll_.reset(::epoll_create1(EPOLL_CLOEXEC));
  if (!watcher.poll_) return fail(system_error("cannot make an epoll instance", errno));
  if (Status status = watcher.listen(); !status) return fail(status.error());
  return watcher;
}

// Subscribes, then asks for the present state, whose answer comes by the same socket: no change falls between the two.
Status LinkWatcher::listen() {
  ifreq device{};
  if (::ioctl(tun_fd_, TUNGETIFF, &device) != 0) return fail(system_error("the TUN device is gone", errno));
  index_ = static_cast<int>(::if_nametoindex(std::begin(device.ifr_name)));

  UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!socket) return fail(system_error("cannot open a netlink socket", errno));
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail(system_error("cannot listen to link changes", errno));
  }
  struct {
    nlmsghdr header;
    ifinfomsg link;
  } request{};
  request.header.nlmsg_len = sizeof request;
  request.header.nlmsg_type = RTM_GETLINK;
  request.header.nlmsg_flags = NLM_F_REQUEST;
  request.link.ifi_index = index_;
  if (::send(socket.get(), &request, sizeof request, 0) < 0) {
    return fail(system_error("cannot ask for the link's state", errno));
  }
  epoll_event readable{.events = EPOLLIN, .data = {}};
  if (::epoll_ctl(poll_.get(), EPOLL_CTL_ADD, socket.get(), &readable) != 0) {
    return fail(system_error("cannot wait for link changes", errno));
  }
  socket_ = std::move(socket);  // the old one leaves the epoll instance as it closes
  left_ = false;
  return {};
}

// The device has left the namespace but lives: it was moved to another (WireGuard's own way to put an interface into a
// container while its sockets stay outside). Watch it there.
Status LinkWatcher::follow() {
  const UniqueFd there(::ioctl(tun_fd_, TUNGETDEVNETNS, nullptr));
  if (!there) return fail(system_error("cannot find the network namespace of the TUN device", errno));
  const NamespaceGuard home;
  if (!home || ::setns(there.get(), CLONE_NEWNET) != 0) {
    return fail(system_error("cannot look into the network namespace of the TUN device", errno));
  }
  return listen();
}

LinkState LinkWatcher::read() {
  alignas(nlmsghdr) std::array<char, kBufferBytes> buffer;
  for (;;) {
    const ssize_t size = ::recv(socket_.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (size > 0) {
      parse(buffer.data(), static_cast<std::size_t>(size));
    } else if (size < 0 && errno == ENOBUFS) {
      if (!follow() && !listen()) state_.present = false;  // messages were lost: start over
    } else {
      break;
    }
  }
  if (left_) {
    ifreq device{};
    state_.present = ::ioctl(tun_fd_, TUNGETIFF, &device) == 0;
    state_.up = false;
    // Where we may not look (without SYS_ADMIN), it counts as up until it is gone, which the TUN device itself tells.
    if (state_.present && !follow()) state_.up = true;
    left_ = false;
  }
  return state_;
}

void LinkWatcher::parse(const char* bytes, std::size_t size) {
  for (const char* end = bytes + size; bytes + sizeof(nlmsghdr) <= end;) {
    nlmsghdr header;
    std::memcpy(&header, bytes, sizeof header);
    if (header.nlmsg_len < sizeof header || header.nlmsg_len > static_cast<std::size_t>(end - bytes)) return;
    const char* message_end = bytes + header.nlmsg_len;
    const char* attribute = bytes + NLMSG_SPACE(sizeof(ifinfomsg));
    const bool link = header.nlmsg_type == RTM_NEWLINK || header.nlmsg_type == RTM_DELLINK;
    ifinfomsg info{};
    if (link && attribute <= message_end) std::memcpy(&info, bytes + NLMSG_HDRLEN, sizeof info);
    if (info.ifi_index != 0 && info.ifi_index == index_ && header.nlmsg_type == RTM_DELLINK) left_ = true;
    if (info.ifi_index != 0 && info.ifi_index == index_ && header.nlmsg_type == RTM_NEWLINK) {
      state_.up = (info.ifi_flags & IFF_UP) != 0;
      for (rtattr head; attribute + sizeof head <= message_end; attribute += RTA_ALIGN(head.rta_len)) {
        std::memcpy(&head, attribute, sizeof head);
        if (head.rta_len < sizeof head || head.rta_len > message_end - attribute) break;
        if (head.rta_type == IFLA_MTU && head.rta_len == RTA_LENGTH(sizeof(int))) {
          std::memcpy(&state_.mtu_bytes, attribute + RTA_LENGTH(0), sizeof(int));
        }
      }
    }
    bytes += NLMSG_ALIGN(header.nlmsg_len);
  }
}

}  // namespace vpn::engine::io
