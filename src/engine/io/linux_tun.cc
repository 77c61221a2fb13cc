#include "engine/io/linux_tun.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/check.h"
#include "base/interface_name.h"
#include "engine/io/segment.h"
#include "engine/io/virtio_header.h"

namespace vpn::engine::io {
namespace {

// Linux 6.2 (include/uapi/linux/if_tun.h); newer than the headers this is built with.
constexpr unsigned kTunUso4 = 0x20;
constexpr unsigned kTunUso6 = 0x40;

ifreq request_for(const std::string& name) {
  ifreq request{};
  std::copy_n(name.begin(), std::min<std::size_t>(name.size(), IFNAMSIZ - 1), std::begin(request.ifr_name));
  return request;
}

// An interface's settings are read and changed through any socket of its network namespace.
UniqueFd control_socket() {
  return UniqueFd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
}

Error tun_error(std::string_view what, int error_number) {
  Error error = system_error(what, error_number);
  if (error_number == EBUSY) {
    error = {ErrorCode::kAlreadyExists, "an interface of this name exists already", "interface_name"};
  } else if (error_number == ENOENT || error_number == ENODEV || error_number == ENXIO) {
    error.code = ErrorCode::kUnavailable;
  }
  return error;
}

Result<UniqueFd> open_queue(const std::string& name, unsigned flags) {
  UniqueFd fd(::open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK));
  if (!fd) return fail(tun_error("cannot open /dev/net/tun", errno));
  ifreq request = request_for(name);
  request.ifr_flags = static_cast<short>(flags);
  if (::ioctl(fd.get(), TUNSETIFF, &request) != 0) return fail(tun_error("cannot create the interface " + name, errno));
  return fd;
}

}  // namespace

LinuxTun::LinuxTun(UniqueFd fd, std::string name, bool has_header, Offloads offloads)
    : fd_(std::move(fd)), name_(std::move(name)), has_header_(has_header) {
  if (has_header_) set_offloads(offloads);
}

Result<TunQueues> LinuxTun::open(const std::string& name, int mtu_bytes, std::size_t queues, Offloads offloads) {
  CHECK(queues > 0);
  if (!is_interface_name(name)) {
    return fail(ErrorCode::kInvalidArgument,
                "an interface name is 1 to 15 characters of letters, digits and _=+.-, such as wg0", "interface_name");
  }
  const unsigned multi_queue = queues > 1 ? IFF_MULTI_QUEUE : 0;
  TunQueues opened;
  while (opened.size() < queues) {
    const unsigned first_only = opened.empty() ? IFF_TUN_EXCL : 0;
    auto fd = open_queue(name, IFF_TUN | IFF_NO_PI | IFF_VNET_HDR | multi_queue | first_only);
    if (!fd) return fail(fd.error());
    opened.push_back(std::unique_ptr<Tun>(new LinuxTun(std::move(*fd), name, true, offloads)));
  }

  ifreq request = request_for(name);
  request.ifr_mtu = mtu_bytes;
  const UniqueFd control = control_socket();
  if (::ioctl(control.get(), SIOCSIFMTU, &request) != 0) {
    return fail(system_error("cannot set the MTU of " + name + " to " + std::to_string(mtu_bytes), errno));
  }
  return opened;
}

Result<TunQueues> LinuxTun::adopt(UniqueFd fd, Offloads offloads) {
  ifreq request{};
  if (::ioctl(fd.get(), TUNGETIFF, &request) != 0 || (request.ifr_flags & IFF_TUN) == 0) {
    return fail(ErrorCode::kInvalidArgument, "the file descriptor handed over is no TUN device");
  }
  if ((request.ifr_flags & IFF_NO_PI) == 0) {
    return fail(ErrorCode::kInvalidArgument, "the TUN device handed over was made without IFF_NO_PI");
  }
  ::fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
  ::fcntl(fd.get(), F_SETFL, ::fcntl(fd.get(), F_GETFL) | O_NONBLOCK);
  const bool has_header = (request.ifr_flags & IFF_VNET_HDR) != 0;
  TunQueues adopted;
  adopted.push_back(
      std::unique_ptr<Tun>(new LinuxTun(std::move(fd), std::begin(request.ifr_name), has_header, offloads)));
  return adopted;
}

// Asks for what is wanted, and for less where the kernel has less. Segmentation needs the partial checksum; without
// any, packets come with whole ones.
void LinuxTun::set_offloads(Offloads offloads) {
  int header_bytes = sizeof(VirtioHeader);
  ::ioctl(fd_.get(), TUNSETVNETHDRSZ, &header_bytes);  // the default, except on a device that is handed over
  const unsigned tso = offloads.tso ? TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN : 0;
  const unsigned uso = offloads.uso ? TUN_F_CSUM | kTunUso4 | kTunUso6 : 0;
  const bool both = set_offload_flags(tso | uso);
  if (both || set_offload_flags(tso)) {
    if (offloads.tso) tcp_.allow();
    if (offloads.uso && both) udp_.allow();
  }
}

bool LinuxTun::set_offload_flags(unsigned flags) const {
  return ::ioctl(fd_.get(), TUNSETOFFLOAD, static_cast<unsigned long>(flags)) == 0;
}

int LinuxTun::mtu_bytes() const {
  ifreq request = request_for(name_);
  const UniqueFd control = control_socket();
  return ::ioctl(control.get(), SIOCGIFMTU, &request) == 0 ? request.ifr_mtu : 0;
}

bool LinuxTun::read(TunReadBatch& batch) {
  for (MutableBytes room = batch.room(); !room.empty(); room = batch.room()) {
    VirtioHeader header;
    const std::size_t header_bytes = has_header_ ? sizeof header : 0;
    const std::array<iovec, 2> pieces{{{&header, header_bytes}, {room.data(), room.size()}}};
    const ssize_t size = ::readv(fd_.get(), pieces.data(), pieces.size());
    if (size < 0) return errno != EBADFD;  // EAGAIN, or one packet's failure that poll will bring back
    if (static_cast<std::size_t>(size) <= header_bytes) continue;
    batch.add(static_cast<std::size_t>(size) - header_bytes, from_virtio(header));
  }
  return true;
}

TunWriteReport LinuxTun::write(std::span<const TunWrite> packets) {
  TunWriteReport report;
  tcp_.count_down();
  udp_.count_down();
  for (const TunWrite& packet : packets) {
    const Segmentation segmentation = packet.offload.segmentation;
    const int error = write_one(packet);
    if (error != 0 && segmentation == Segmentation::kNone) {
      ++report.dropped;  // EIO: the link is down; EAGAIN, ENOBUFS and ENOMEM: the kernel is short of memory
    } else if (error != 0) {
      // Linux 6.6.44 and others refused well-formed ones, and what has no room as a whole may have it in pieces.
      if (error == EINVAL) (segmentation == Segmentation::kUdp ? udp_ : tcp_).refuse();
      report.resegmented.add(segmentation);
      write_segments(packet, report);
    } else {
      ++report.written;
      if (segmentation != Segmentation::kNone) report.super_packets.add(segmentation);
    }
  }
  return report;
}

// 0 or the errno.
int LinuxTun::write_one(const TunWrite& packet) const {
  VirtioHeader header = to_virtio(packet.offload);
  std::array<iovec, 1 + kMaxPieces> pieces;
  std::size_t count = 0;
  CHECK(packet.pieces.size() <= kMaxPieces);
  if (has_header_) pieces[count++] = {&header, sizeof header};
  for (const iovec& piece : packet.pieces) pieces[count++] = piece;
  return ::writev(fd_.get(), pieces.data(), static_cast<int>(count)) < 0 ? errno : 0;
}

// Allocates: it is rare.
void LinuxTun::write_segments(const TunWrite& packet, TunWriteReport& report) const {
  std::vector<std::uint8_t> whole(packet.size);
  std::vector<std::uint8_t> segment(packet.size);
  std::uint8_t* to = whole.data();
  for (const iovec& piece : packet.pieces) {
    std::memcpy(to, piece.iov_base, piece.iov_len);
    to += piece.iov_len;
  }
  auto segmenter = Segmenter::open(whole, packet.offload);
  if (!segmenter) {
    ++report.dropped;
    return;
  }
  for (std::size_t size = segmenter->next_size(); size > 0; size = segmenter->next_size()) {
    segmenter->write_next(segment.data());
    const iovec piece{segment.data(), size};
    write_one({{.checksum_valid = true}, {&piece, 1}, size}) == 0 ? ++report.written : ++report.dropped;
  }
}

}  // namespace vpn::engine::io
