#include "engine/io/test_kernel_refusals.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>

#include "base/check.h"
#include "engine/io/virtio_header.h"

namespace vpn::engine::io::test {
namespace {

struct State {
  std::atomic<int> error = 0;
  std::atomic<std::size_t> count = 0;

  // Whether one more is refused; then errno is set.
  bool refuses() {
    if (error == 0) return false;
    ++count;
    errno = error;
    return true;
  }
};

State& state_of(Refusal::Of what) {
  static std::array<State, 2> states;
  return states[static_cast<std::size_t>(what)];
}

bool is_segmented(const msghdr& message) {
  auto& mutable_message = const_cast<msghdr&>(message);
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&mutable_message, header)) {
    if (header->cmsg_level == SOL_UDP && header->cmsg_type == UDP_SEGMENT) return true;
  }
  return false;
}

bool is_super_packet(const iovec* pieces, int count) {
  if (count < 2 || pieces[0].iov_len != sizeof(VirtioHeader)) return false;
  return static_cast<const VirtioHeader*>(pieces[0].iov_base)->gso_type != 0;
}

}  // namespace

Refusal::Refusal(Of what, int error) : what_(what) {
  State& state = state_of(what);
  CHECK(state.error == 0);
  state.count = 0;
  state.error = error;
}

Refusal::~Refusal() {
  state_of(what_).error = 0;
}

std::size_t Refusal::count() const {
  return state_of(what_).count;
}

}  // namespace vpn::engine::io::test

using vpn::engine::io::test::Refusal;

// What stands before the refused message is sent, as the kernel does.
extern "C" int sendmmsg(int fd, mmsghdr* messages, unsigned count, int flags) {
  auto& state = vpn::engine::io::test::state_of(Refusal::Of::kSegmentedSends);
  unsigned good = 0;
  if (state.error != 0) {
    while (good < count && !vpn::engine::io::test::is_segmented(messages[good].msg_hdr)) ++good;
    if (good == 0 && count > 0 && state.refuses()) return -1;
    count = good == 0 ? count : good;
  }
  return static_cast<int>(::syscall(SYS_sendmmsg, fd, messages, count, flags));
}

extern "C" ssize_t sendmsg(int fd, const msghdr* message, int flags) {
  auto& state = vpn::engine::io::test::state_of(Refusal::Of::kSegmentedSends);
  if (vpn::engine::io::test::is_segmented(*message) && state.refuses()) return -1;
  return ::syscall(SYS_sendmsg, fd, message, flags);
}

extern "C" ssize_t writev(int fd, const iovec* pieces, int count) {
  auto& state = vpn::engine::io::test::state_of(Refusal::Of::kSuperPacketWrites);
  if (vpn::engine::io::test::is_super_packet(pieces, count) && state.refuses()) return -1;
  return ::syscall(SYS_writev, fd, pieces, count);
}
