#include "netlink/socket.h"

#include <array>
#include <cerrno>
#include <utility>

#include "base/secret.h"
#include "netlink/attributes.h"

namespace vpn::netlink {
namespace {

// As much as the kernel puts into one message of a dump; it looks at the reader's buffer to decide.
constexpr std::size_t kReceiveBytes = 32 * 1024;

// An answer may hold keys.
struct ReceiveBuffer {
  ReceiveBuffer() = default;
  ~ReceiveBuffer() { wipe(bytes.data(), bytes.size()); }
  ReceiveBuffer(const ReceiveBuffer&) = delete;
  ReceiveBuffer& operator=(const ReceiveBuffer&) = delete;

  alignas(nlmsghdr) std::array<std::uint8_t, kReceiveBytes> bytes;
};

struct Answer {
  const Socket::OnMessage& on_message;
  Outcome outcome = {};
};

int take_message(const nlmsghdr* message, void* data) {
  const auto& answer = *static_cast<Answer*>(data);
  return !answer.on_message || answer.on_message(*message) ? MNL_CB_OK : MNL_CB_STOP;
}

// An acknowledgement is an error message with error 0. NETLINK_CAP_ACK puts its attributes right behind nlmsgerr.
int take_acknowledgement(const nlmsghdr* message, void* data) {
  Outcome& outcome = static_cast<Answer*>(data)->outcome;
  if (mnl_nlmsg_get_payload_len(message) < sizeof(nlmsgerr)) {
    outcome.error_number = EBADMSG;
    return MNL_CB_STOP;
  }
  outcome.error_number = -static_cast<const nlmsgerr*>(mnl_nlmsg_get_payload(message))->error;
  if ((message->nlmsg_flags & NLM_F_ACK_TLVS) != 0) {
    for_each_attribute(*message, sizeof(nlmsgerr), [&outcome](const nlattr& attribute) {
      if (type_of(attribute) == NLMSGERR_ATTR_MSG) outcome.detail = text_of(attribute);
    });
  }
  return MNL_CB_STOP;
}

// The end of a dump says how it ended: 0 or a negative errno.
int take_end(const nlmsghdr* message, void* data) {
  Outcome& outcome = static_cast<Answer*>(data)->outcome;
  if (mnl_nlmsg_get_payload_len(message) >= sizeof(int)) {
    outcome.error_number = -*static_cast<const int*>(mnl_nlmsg_get_payload(message));
  }
  return MNL_CB_STOP;
}

}  // namespace

Error Outcome::error(std::string_view what) const {
  Error error = system_error(what, error_number);
  if (!detail.empty()) error.message += " (" + detail + ")";
  return error;
}

Result<Socket> Socket::open(int protocol) {
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
  return Socket(std::move(socket));
}

Outcome Socket::transact(Request& request, const OnMessage& on_message) {
  Answer answer{on_message};
  request.header()->nlmsg_seq = ++sequence_;
  if (mnl_socket_sendto(socket_.get(), request.header(), request.size_bytes()) < 0) {
    answer.outcome.error_number = errno;
    return answer.outcome;
  }
  std::array<mnl_cb_t, NLMSG_MIN_TYPE> control{};
  control[NLMSG_ERROR] = take_acknowledgement;
  control[NLMSG_DONE] = take_end;
  const unsigned port = mnl_socket_get_portid(socket_.get());
  ReceiveBuffer buffer;
  for (int state = MNL_CB_OK; state > MNL_CB_STOP;) {
    const ssize_t size = mnl_socket_recvfrom(socket_.get(), buffer.bytes.data(), buffer.bytes.size());
    if (size < 0 && errno == EINTR) continue;  // a signal
    state = size < 0 ? MNL_CB_ERROR
                     : mnl_cb_run2(buffer.bytes.data(), static_cast<std::size_t>(size), sequence_, port, take_message,
                                   &answer, control.data(), static_cast<unsigned>(control.size()));
    if (state == MNL_CB_ERROR) answer.outcome.error_number = errno;
  }
  return answer.outcome;
}

}  // namespace vpn::netlink
