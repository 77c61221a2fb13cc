#include "engine/io/linux_udp.h"

#include <netinet/in.h>
#include <netinet/udp.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/check.h"

namespace vpn::engine::io {
namespace {

// Some fifty milliseconds of a gigabit per second: a burst survives a worker that is busy. Other userspace engines ask
// for as much.
constexpr int kSocketBufferBytes = 7 << 20;
// A socket pair on a free port: how often another program may take the second half meanwhile (kernel socket.c:
// wg_socket_init).
constexpr int kPortAttempts = 100;

// Kernel include/linux/udp.h: UDP_MAX_SEGMENTS was 64 until Linux 6.9.
constexpr std::size_t kMaxSegments = 64;
// What an IPv4 datagram holds; an IPv6 one holds 20 bytes more.
constexpr std::size_t kMaxSegmentedBytes = 65535 - 20 - 8;
// Of one sendmmsg.
constexpr std::size_t kMaxMessages = 64;
constexpr std::size_t kMaxPieces = 2 * kMaxMessages;

constexpr std::size_t kControlBytes =
    CMSG_SPACE(sizeof(in6_pktinfo)) + CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(int));

// What a msghdr points to.
struct MessageParts {
  alignas(sockaddr_in6) std::array<std::uint8_t, sizeof(sockaddr_in6)> name;
  alignas(cmsghdr) std::array<std::uint8_t, kControlBytes> control;
};

Status set_option(int fd, int level, int name, int value, std::string_view what) {
  if (::setsockopt(fd, level, name, &value, sizeof value) == 0) return {};
  return fail(system_error(what, errno));
}

void grow_buffer(int fd, int forced_option, int option) {
  const int bytes = kSocketBufferBytes;
  // Beyond net.core.{r,w}mem_max with NET_ADMIN, up to it without. A smaller buffer works too.
  if (::setsockopt(fd, SOL_SOCKET, forced_option, &bytes, sizeof bytes) != 0) {
    ::setsockopt(fd, SOL_SOCKET, option, &bytes, sizeof bytes);
  }
}

Status set_options(int fd, int family, std::uint32_t fwmark, bool gro) {
  grow_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF);
  grow_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF);

  Status status;
  const auto require = [&](int level, int name, int value, std::string_view what) {
    if (status) status = set_option(fd, level, name, value, what);
  };
  if (family == AF_INET) {
    require(IPPROTO_IP, IP_PKTINFO, 1, "IP_PKTINFO");
    require(IPPROTO_IP, IP_RECVTOS, 1, "IP_RECVTOS");
    require(IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_DONT, "IP_MTU_DISCOVER");
  } else {
    require(IPPROTO_IPV6, IPV6_V6ONLY, 1, "IPV6_V6ONLY");
    require(IPPROTO_IPV6, IPV6_RECVPKTINFO, 1, "IPV6_RECVPKTINFO");
    require(IPPROTO_IPV6, IPV6_RECVTCLASS, 1, "IPV6_RECVTCLASS");
    require(IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_DONT, "IPV6_MTU_DISCOVER");
  }
  if (gro) require(SOL_UDP, UDP_GRO, 1, "UDP_GRO");
  if (fwmark != 0) require(SOL_SOCKET, SO_MARK, static_cast<int>(fwmark), "cannot set the fwmark");
  return status;
}

// Whether a socket has its port for itself, or with those that share it already.
enum class Sharing : std::uint8_t { kFirst, kMore };

Status share_port(int fd) {
  return set_option(fd, SOL_SOCKET, SO_REUSEPORT, 1, "SO_REUSEPORT");
}

// An empty UniqueFd when the machine has no such family.
Result<UniqueFd> open_socket(int family, std::uint16_t port, std::uint32_t fwmark, bool gro, Sharing sharing) {
  UniqueFd fd(::socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd && errno == EAFNOSUPPORT && family == AF_INET6) return UniqueFd();
  if (!fd) return fail(system_error("cannot open a UDP socket", errno));
  if (Status status = set_options(fd.get(), family, fwmark, gro); !status) return fail(status.error());

  if (sharing == Sharing::kMore) {
    if (Status status = share_port(fd.get()); !status) return fail(status.error());
  }

  sockaddr_in6 any{};
  any.sin6_family = static_cast<sa_family_t>(family);
  any.sin6_port = htons(port);  // sockaddr_in has it in the same place
  const socklen_t size = family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&any), size) != 0) {
    Error error = system_error("cannot listen on UDP port " + std::to_string(port), errno);
    if (errno == EADDRINUSE) error.code = ErrorCode::kUnavailable;
    return fail(std::move(error));
  }
  return fd;
}

std::uint16_t bound_port(int fd) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  CHECK(::getsockname(fd, reinterpret_cast<sockaddr*>(&bound), &size) == 0);
  return Endpoint::from_sockaddr(bound).port;
}

// --- Sending ---

class ControlWriter {
 public:
  ControlWriter(msghdr& message, MessageParts& parts) : message_(message), parts_(parts) {}

  template <typename T>
  void add(int level, int type, const T& value) {
    CHECK(used_ + CMSG_SPACE(sizeof value) <= parts_.control.size());
    cmsghdr header{};
    header.cmsg_len = CMSG_LEN(sizeof value);
    header.cmsg_level = level;
    header.cmsg_type = type;
    std::memcpy(&parts_.control[used_], &header, sizeof header);
    std::memcpy(&parts_.control[used_ + CMSG_LEN(0)], &value, sizeof value);
    used_ += CMSG_SPACE(sizeof value);
    message_.msg_control = parts_.control.data();
    message_.msg_controllen = used_;
  }

 private:
  msghdr& message_;
  MessageParts& parts_;
  std::size_t used_ = 0;
};

// The source address alone: which interface it leaves by is routing's decision. The kernel looks at the route it found
// and drops a source that is of another one's (socket.c: send4); we would need a system call for each message to know.
void add_source(ControlWriter& control, const protocol::Path& path) {
  if (path.local.is_v4()) {
    in_pktinfo info{};
    std::memcpy(&info.ipi_spec_dst, path.local.bytes().data(), sizeof info.ipi_spec_dst);
    control.add(IPPROTO_IP, IP_PKTINFO, info);
  } else {
    in6_pktinfo info{};
    std::memcpy(&info.ipi6_addr, path.local.bytes().data(), sizeof info.ipi6_addr);
    const bool link_local = IN6_IS_ADDR_LINKLOCAL(&info.ipi6_addr);
    info.ipi6_ifindex = link_local ? path.local_interface : 0;
    control.add(IPPROTO_IPV6, IPV6_PKTINFO, info);
  }
}

// Makes one message of datagrams that run_length() found fit for it; returns how many of `pieces` it took.
std::size_t compose(msghdr& message, MessageParts& parts, iovec* pieces, std::span<const OutgoingDatagram> datagrams,
                    bool with_source) {
  const protocol::Path& path = *datagrams.front().path;
  sockaddr_storage name;
  message = {};
  message.msg_namelen = path.remote.to_sockaddr(name);
  std::memcpy(parts.name.data(), &name, message.msg_namelen);
  message.msg_name = parts.name.data();
  for (std::size_t i = 0; i < datagrams.size(); ++i) {
    pieces[i] = {const_cast<std::uint8_t*>(datagrams[i].bytes.data()), datagrams[i].bytes.size()};
  }
  message.msg_iov = pieces;
  message.msg_iovlen = datagrams.size();

  ControlWriter control(message, parts);
  if (with_source && path.local) add_source(control, path);
  if (const int traffic_class = datagrams.front().traffic_class; traffic_class != 0) {
    const bool v4 = path.remote.address.is_v4();
    control.add(v4 ? IPPROTO_IP : IPPROTO_IPV6, v4 ? IP_TOS : IPV6_TCLASS, traffic_class);
  }
  if (datagrams.size() > 1) {
    control.add(SOL_UDP, UDP_SEGMENT, static_cast<std::uint16_t>(datagrams.front().bytes.size()));
  }
  return datagrams.size();
}

bool is_source_error(int error) {
  return error == EINVAL || error == ENETUNREACH || error == EHOSTUNREACH || error == EADDRNOTAVAIL || error == ENODEV;
}

// Of a path, for as long as its route is as it is. EIO: it is encrypted (IPsec), or before Linux 6.11 its device has no
// checksum offload. EINVAL, EMSGSIZE: a segment exceeds its MTU.
bool is_path_error(int error) {
  return error == EIO || error == EINVAL || error == EMSGSIZE;
}

// Of this moment: there was no room for all of the message.
bool is_room_error(int error) {
  return error == ENOBUFS || error == ENOMEM;
}

// --- Receiving ---

void read_control(msghdr& message, ReceivedDatagrams& received) {
  for (cmsghdr* header = CMSG_FIRSTHDR(&message); header != nullptr; header = CMSG_NXTHDR(&message, header)) {
    const std::uint8_t* data = CMSG_DATA(header);
    if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_PKTINFO) {
      const auto info = internal::load<in_pktinfo>(data);
      received.path.local = IpAddress::v4(ntohl(info.ipi_spec_dst.s_addr));
      received.path.local_interface = static_cast<std::uint32_t>(info.ipi_ifindex);
    } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_PKTINFO) {
      const auto info = internal::load<in6_pktinfo>(data);
      received.path.local = IpAddress::v6_from_bytes(info.ipi6_addr.s6_addr);
      received.path.local_interface = info.ipi6_ifindex;
    } else if (header->cmsg_level == IPPROTO_IP && header->cmsg_type == IP_TOS) {
      received.traffic_class = *data;
    } else if (header->cmsg_level == IPPROTO_IPV6 && header->cmsg_type == IPV6_TCLASS) {
      received.traffic_class = static_cast<std::uint8_t>(internal::load<int>(data));
    } else if (header->cmsg_level == SOL_UDP && header->cmsg_type == UDP_GRO) {
      received.segment_bytes = static_cast<std::size_t>(internal::load<int>(data));
    }
  }
}

Endpoint read_name(const msghdr& message) {
  sockaddr_storage name{};
  std::memcpy(&name, message.msg_name, std::min<std::size_t>(message.msg_namelen, sizeof(sockaddr_in6)));
  return Endpoint::from_sockaddr(name);
}

}  // namespace

LinuxUdp::LinuxUdp(UniqueFd v4, UniqueFd v6, std::uint16_t port, Offloads offloads)
    : v4_(std::move(v4)), v6_(std::move(v6)), port_(port), offloads_(offloads) {}

Offloads LinuxUdp::available() {
  const UniqueFd fd(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const auto has = [&fd](int option) { return static_cast<bool>(set_option(fd.get(), SOL_UDP, option, 0, "")); };
  return {.gso = has(UDP_SEGMENT), .gro = has(UDP_GRO)};
}

Result<UdpSockets> LinuxUdp::open(std::uint16_t port, std::uint32_t fwmark, std::size_t count, Offloads offloads) {
  CHECK(count > 0);
  auto first = open_first(port, fwmark, offloads);
  if (!first) return fail(first.error());
  UdpSockets sockets{*first};
  if (count == 1) return sockets;

  // Only now: the first one was to be refused a port that somebody has, even somebody who would share it.
  for (const int fd : {(*first)->v4_.get(), (*first)->v6_.get()}) {
    if (fd < 0) continue;
    if (Status status = share_port(fd); !status) return fail(status.error());
  }
  while (sockets.size() < count) {
    Result<UniqueFd> v4 = open_socket(AF_INET, (*first)->port_, fwmark, offloads.gro, Sharing::kMore);
    if (!v4) return fail(v4.error());
    Result<UniqueFd> v6 = open_socket(AF_INET6, (*first)->port_, fwmark, offloads.gro, Sharing::kMore);
    if (!v6) return fail(v6.error());
    sockets.emplace_back(new LinuxUdp(std::move(*v4), std::move(*v6), (*first)->port_, offloads));
  }
  return sockets;
}

Result<std::shared_ptr<LinuxUdp>> LinuxUdp::open_first(std::uint16_t port, std::uint32_t fwmark, Offloads offloads) {
  for (int attempt = 1;; ++attempt) {
    Result<UniqueFd> v4 = open_socket(AF_INET, port, fwmark, offloads.gro, Sharing::kFirst);
    if (!v4) return fail(v4.error());
    const std::uint16_t bound = bound_port(v4->get());
    Result<UniqueFd> v6 = open_socket(AF_INET6, bound, fwmark, offloads.gro, Sharing::kFirst);
    if (v6) return std::shared_ptr<LinuxUdp>(new LinuxUdp(std::move(*v4), std::move(*v6), bound, offloads));
    const bool taken = v6.error().code == ErrorCode::kUnavailable;
    if (port != 0 || !taken || attempt == kPortAttempts) return fail(v6.error());
  }
}

Status LinuxUdp::set_fwmark(std::uint32_t fwmark) {
  for (const int fd : {v4_.get(), v6_.get()}) {
    if (fd < 0) continue;
    if (Status status = set_option(fd, SOL_SOCKET, SO_MARK, static_cast<int>(fwmark), "cannot set the fwmark");
        !status) {
      return status;
    }
  }
  return {};
}

void LinuxUdp::receive(IpFamily family, UdpReadBatch& batch) {
  constexpr std::size_t kMessages = UdpReadBatch::kMaxReceives;
  std::array<mmsghdr, kMessages> messages;
  std::array<MessageParts, kMessages> parts;
  std::array<iovec, kMessages> pieces;
  for (std::size_t i = 0; i < kMessages; ++i) {
    const MutableBytes room = batch.room(i);
    pieces[i] = {room.data(), room.size()};
    messages[i] = {};
    msghdr& message = messages[i].msg_hdr;
    message.msg_name = parts[i].name.data();
    message.msg_namelen = static_cast<socklen_t>(parts[i].name.size());
    message.msg_iov = &pieces[i];
    message.msg_iovlen = 1;
    message.msg_control = parts[i].control.data();
    message.msg_controllen = parts[i].control.size();
  }
  const int count = ::recvmmsg(fd(family), messages.data(), kMessages, MSG_DONTWAIT, nullptr);
  for (std::size_t i = 0; count > 0 && i < static_cast<std::size_t>(count); ++i) {
    const std::size_t size = messages[i].msg_len;
    msghdr& message = messages[i].msg_hdr;
    if (size == 0) continue;
    ReceivedDatagrams received{.bytes = batch.room(i).first(size), .segment_bytes = size, .path = {}};
    received.path.remote = read_name(message);
    read_control(message, received);
    batch.add(received);
  }
}

// How many of the first datagrams leave as one message.
std::size_t LinuxUdp::run_length(std::span<const OutgoingDatagram> datagrams) {
  const OutgoingDatagram& first = datagrams.front();
  if (!offloads_.gso || refused_.take(first.path->remote.address)) return 1;
  std::size_t total = first.bytes.size();
  std::size_t count = 1;
  for (; count < std::min(datagrams.size(), kMaxSegments); ++count) {
    const OutgoingDatagram& next = datagrams[count];
    if (datagrams[count - 1].bytes.size() != first.bytes.size() || next.bytes.size() > first.bytes.size()) break;
    if (next.traffic_class != first.traffic_class || total + next.bytes.size() > kMaxSegmentedBytes) break;
    if (next.path != first.path && *next.path != *first.path) break;
    total += next.bytes.size();
  }
  return count;
}

UdpSendReport LinuxUdp::send(std::span<const OutgoingDatagram> datagrams) {
  UdpSendReport report;
  std::array<mmsghdr, kMaxMessages> messages;
  std::array<MessageParts, kMaxMessages> parts;
  std::array<iovec, kMaxPieces> pieces;
  std::array<std::span<const OutgoingDatagram>, kMaxMessages> runs;
  while (!datagrams.empty()) {
    const IpFamily family = datagrams.front().path->remote.address.family();
    std::size_t count = 0;
    std::size_t used_pieces = 0;
    while (!datagrams.empty() && count < kMaxMessages && datagrams.front().path->remote.address.family() == family) {
      const std::size_t length = run_length(datagrams);
      if (used_pieces + length > kMaxPieces) break;
      runs[count] = datagrams.first(length);
      messages[count] = {};
      used_pieces += compose(messages[count].msg_hdr, parts[count], &pieces[used_pieces], runs[count], true);
      datagrams = datagrams.subspan(length);
      ++count;
    }
    for (std::size_t done = 0; done < count;) {
      const int sent = ::sendmmsg(fd(family), &messages[done], static_cast<unsigned>(count - done), MSG_DONTWAIT);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) {
        send_slowly(runs[done++], errno, report);
        continue;
      }
      for (const std::size_t end = done + static_cast<std::size_t>(sent); done < end; ++done) {
        report.sent += runs[done].size();
        report.segmented_sends += runs[done].size() > 1;
      }
    }
  }
  return report;
}

// What the kernel refused with `error`: once more without the source address, then one by one.
void LinuxUdp::send_slowly(std::span<const OutgoingDatagram> datagrams, int error, UdpSendReport& report) {
  if (datagrams.front().path->local && is_source_error(error)) {
    error = send_one_message(datagrams, false);
    if (error == 0) {
      report.sent += datagrams.size();
      ++report.source_retries;
      return;
    }
  }
  if (datagrams.size() == 1 || !(is_path_error(error) || is_room_error(error))) {
    report.dropped += datagrams.size();
    return;
  }
  if (is_path_error(error)) refused_.add(datagrams.front().path->remote.address);
  ++report.unsegmented;
  for (std::size_t i = 0; i < datagrams.size(); ++i) {
    const auto one = datagrams.subspan(i, 1);
    const int refused = send_one_message(one, true);
    if (refused == 0) {
      ++report.sent;
    } else {
      send_slowly(one, refused, report);
    }
  }
}

// 0 or the errno.
int LinuxUdp::send_one_message(std::span<const OutgoingDatagram> datagrams, bool with_source) const {
  msghdr message;
  MessageParts parts;
  std::array<iovec, kMaxSegments> pieces;
  compose(message, parts, pieces.data(), datagrams, with_source);
  const IpFamily family = datagrams.front().path->remote.address.family();
  return ::sendmsg(fd(family), &message, MSG_DONTWAIT) < 0 ? errno : 0;
}

}  // namespace vpn::engine::io
