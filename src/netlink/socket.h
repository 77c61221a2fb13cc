// Requests to the kernel over netlink, one at a time, each with its answer.
//
// One thread, its owner's. The kernel answers while send is under way, so nothing here waits for anybody else.
#pragma once

#include <libmnl/libmnl.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "netlink/request.h"

namespace vpn::netlink {

/// How the kernel ended a request: 0, or an errno value with the kernel's own explanation where it gives one.
struct Outcome {
  int error_number = 0;
  std::string detail = {};

  bool ok() const { return error_number == 0; }
  /// The failure as an Error: `what: strerror (detail)`.
  Error error(std::string_view what) const;
};

class Socket {
 public:
  /// Called with each message of an answer. False: enough was heard, and the socket is of no further use.
  using OnMessage = std::function<bool(const nlmsghdr& message)>;

  /// `protocol`: NETLINK_ROUTE, NETLINK_GENERIC, NETLINK_NETFILTER. kUnsupported when the kernel was built without it.
  static Result<Socket> open(int protocol);

  /// Sends a request and reads its answer to the end: an acknowledgement, or with NLM_F_DUMP the end of the dump.
  /// EINTR: what was dumped changed meanwhile, so what was heard is inconsistent, and the socket is of no further use.
  Outcome transact(Request& request, const OnMessage& on_message = {});

 private:
  struct Close {
    void operator()(mnl_socket* socket) const { mnl_socket_close(socket); }
  };
  explicit Socket(std::unique_ptr<mnl_socket, Close> socket) : socket_(std::move(socket)) {}

  std::unique_ptr<mnl_socket, Close> socket_;
  std::uint32_t sequence_ = 0;
};

}  // namespace vpn::netlink
