// Notices what happens to a TUN device from outside: up, down, another MTU, removal, a move to another network
// namespace.
//
// Listens to rtnetlink (rtnetlink(7): RTNLGRP_LINK). Not thread-safe: the device's mutex guards read().
#pragma once

#include <string>

#include "base/error.h"
#include "base/unique_fd.h"

namespace vpn::engine::io {

struct LinkState {
  bool present = true;  ///< false once the device is removed; the rest then means nothing
  bool up = false;      ///< administratively (IFF_UP)
  int mtu_bytes = 0;

  bool operator==(const LinkState&) const = default;
};

class LinkWatcher {
 public:
  /// `tun_fd` is the device's and outlives this.
  static Result<LinkWatcher> open(int tun_fd);

  /// Readable (level-triggered) when read() may have news; the same for the watcher's whole life.
  int fd() const { return poll_.get(); }

  /// Takes what has come in and returns the state as of now. Never blocks.
  LinkState read();

 private:
  explicit LinkWatcher(int tun_fd) : tun_fd_(tun_fd) {}

  Status listen();
  Status follow();
  void parse(const char* bytes, std::size_t size);

  int tun_fd_;
  int index_ = 0;  ///< the device's, in the namespace that is watched
  UniqueFd poll_;  ///< epoll over socket_, which changes with the namespace
  UniqueFd socket_;
  LinkState state_;
  bool left_ = false;  ///< RTM_DELLINK: removed, or moved to another namespace
};

}  // namespace vpn::engine::io
