// What the kernel tells of its own accord: the messages of multicast groups, netlink(7).
//
// One thread, its owner's. Costs nothing while nothing happens.
#pragma once

#include <libmnl/libmnl.h>

#include <functional>
#include <initializer_list>

#include "base/error.h"
#include "base/unique_fd.h"

namespace vpn::netlink {

class Events {
 public:
  /// `protocol` as of Socket::open; `groups`: RTNLGRP_LINK, NFNLGRP_NFTABLES and the like.
  static Result<Events> open(int protocol, std::initializer_list<int> groups);

  /// Readable when there are messages to take.
  int fd() const { return fd_.get(); }

  /// Takes what has come in, a bounded part of it at a time. False when messages were lost: whatever may have changed
  /// has to be looked at.
  bool read(const std::function<void(const nlmsghdr& message)>& on_message) const;

 private:
  explicit Events(UniqueFd fd) : fd_(std::move(fd)) {}

  UniqueFd fd_;
};

}  // namespace vpn::netlink
