// Notices that somebody touched what the gateway set up on this machine: our nftables table, the interface and its
// addresses, forwarding.
//
// One thread, its owner's. It sleeps until the kernel tells of a change (netlink's multicast groups), and what others
// change of their own rules and links is none.
#pragma once

#include <string>

#include "base/error.h"
#include "base/unique_fd.h"
#include "netlink/events.h"

namespace vpn::host {

class HostWatch {
 public:
  /// What may have changed.
  struct News {
    bool rules = false;
    bool link = false;  ///< the interface, its addresses, or forwarding
  };

  /// kNotFound when there is no such interface; kPermissionDenied without NET_ADMIN.
  static Result<HostWatch> open(const std::string& interface_name);

  /// Readable when read() may have news.
  int fd() const { return poll_.get(); }

  /// What has changed since the last call. Never blocks.
  News read() const;

 private:
  HostWatch(netlink::Events rules, netlink::Events links, UniqueFd poll, std::string table, int index);

  netlink::Events rules_;
  netlink::Events links_;
  UniqueFd poll_;  ///< epoll over the two
  std::string table_;
  int index_;
};

}  // namespace vpn::host
