// Requests to the kernel over netlink, one at a time, each acknowledged: enough to change things. (What is to be read,
// getifaddrs reads.)
//
// One thread, its owner's. The kernel answers while send is under way, so nothing here waits for anybody else.
#pragma once

#include <libmnl/libmnl.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace vpn::host {

/// A request under construction, of at most 1 KiB: header, the family's fixed part, attributes.
class NetlinkRequest {
 public:
  /// NLM_F_REQUEST and NLM_F_ACK are added to the flags.
  NetlinkRequest(std::uint16_t type, int flags);

  /// Adds the fixed part, zeroed, before any attribute. The reference lives as long as the request.
  template <typename T>
  T& put_fixed_part() {
    return *static_cast<T*>(mnl_nlmsg_put_extra_header(header(), sizeof(T)));
  }
  void put(std::uint16_t attribute, const void* data, std::size_t size);
  void put_u32(std::uint16_t attribute, std::uint32_t value) { put(attribute, &value, sizeof value); }

  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(buffer_.data()); }

 private:
  alignas(nlmsghdr) std::array<std::uint8_t, 1024> buffer_{};
};

/// How the kernel ended a request: 0, or an errno value with the kernel's own explanation where it gives one.
struct NetlinkOutcome {
  int error_number = 0;
  std::string detail;

  bool ok() const { return error_number == 0; }
  /// The failure as an Error: `what: strerror (detail)`.
  Error error(std::string_view what) const;
};

class NetlinkSocket {
 public:
  /// `protocol`: NETLINK_ROUTE, NETLINK_NETFILTER. kUnsupported when the kernel was built without it.
  static Result<NetlinkSocket> open(int protocol);

  /// Sends a request and reads its acknowledgement.
  NetlinkOutcome transact(NetlinkRequest& request);

 private:
  struct Close {
    void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
  };
  explicit NetlinkSocket(std::unique_ptr<mnl_socket, Close> socket) : socket_(std::move(socket)) {}

  std::unique_ptr<mnl_socket, Close> socket_;
  std::uint32_t sequence_ = 0;
};

}  // namespace vpn::host
