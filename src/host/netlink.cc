#include "host/netlink.h"

#include <cerrno>
#include <utility>

#include "base/check.h"

namespace vpn::host {
namespace {

int take_explanation(const nlattr* attribute, void* outcome) {
  if (mnl_attr_get_type(attribute) == NLMSGERR_ATTR_MSG && mnl_attr_validate(attribute, MNL_TYPE_NUL_STRING) == 0) {
    static_cast<NetlinkOutcome*>(outcome)->detail = mnl_attr_get_str(attribute);
  }
  return MNL_CB_OK;
}

// An acknowledgement is an error message with error 0. NETLINK_CAP_ACK puts its attributes right behind nlmsgerr.
int take_acknowledgement(const nlmsghdr* message, void* data) {
  auto& outcome = *static_cast<NetlinkOutcome*>(data);
  if (mnl_nlmsg_get_payload_len(message) < sizeof(nlmsgerr)) {
    outcome.error_number = EBADMSG;
    return MNL_CB_STOP;
  }
  outcome.error_number = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
  if ((message->nlmsg_flags & NLM_F_ACK_TLVS) != 0) {
    mnl_attr_parse(message, sizeof(nlmsgerr), take_explanation, &outcome);
  }
  return MNL_CB_STOP;
}

}  // namespace

NetlinkRequest::NetlinkRequest(std::uint16_t type, int flags) {
  mnl_nlmsg_put_header(buffer_.data());
  header()->nlmsg_type = type;
  header()->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
}

void NetlinkRequest::put(std::uint16_t attribute, const void* data, std::size_t size) {
  CHECK(mnl_attr_put_check(header(), buffer_.size(), attribute, size, data));
}

Error NetlinkOutcome::error(std::string_view what) const {
  Error error = system_error(what, error_number);
  if (!detail.empty()) error.message += " (" + detail + ")";
  return error;
}

Result<NetlinkSocket> NetlinkSocket::open(int protocol) {
  std::unique_ptr<mnl_socket, Close> socket(mnl_socket_open2(protocol, SOCK_CLOEXEC));
  if (!socket) {
    const int error_number = errno;
    Error error = system_error("cannot open a netlink socket", error_number);
    if (error_number == EPROTONOSUPPORT || error_number == EAFNOSUPPORT) error.code = ErrorCode::kUnsupported;
    return fail(std::move(error));
  }
  if (mnl_socket_bind(socket.get(), 0, MNL_SOCKET_AUTOPID) < 0) {
    return fail(system_error("cannot bind a netlink socket", errno));
  }
  // Where the kernel is too old for one of these, errors lack their explanation and nothing else.
  int on = 1;
  mnl_socket_setsockopt(socket.get(), NETLINK_CAP_ACK, &on, sizeof on);
  mnl_socket_setsockopt(socket.get(), NETLINK_EXT_ACK, &on, sizeof on);
  return NetlinkSocket(std::move(socket));
}

NetlinkOutcome NetlinkSocket::transact(NetlinkRequest& request) {
  NetlinkOutcome outcome;
  request.header()->nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_.get(), request.header(), request.header()->nlmsg_len) < 0) {
    outcome.error_number = errno;
    return outcome;
  }
  std::array<mnl_cb_t, NLMSG_MIN_TYPE> control{};
  control[NLMSG_ERROR] = take_acknowledgement;
  const unsigned port = mnl_socket_get_portid(socket_.get());
  alignas(nlmsghdr) std::array<std::uint8_t, 8192> buffer;
  for (int state = MNL_CB_OK; state > MNL_CB_STOP;) {
    const ssize_t size = mnl_socket_recvfrom(socket_.get(), buffer.data(), buffer.size());
    state = size < 0 ? MNL_CB_ERROR
                     : mnl_cb_run2(buffer.data(), static_cast<std::size_t>(size), sequence_, port, nullptr, &outcome,
                                   control.data(), static_cast<unsigned>(control.size()));
    if (state == MNL_CB_ERROR) outcome.error_number = errno;
  }
  return outcome;
}

}  // namespace vpn::host
