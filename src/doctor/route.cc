#include "doctor/route.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>

#include "base/unique_fd.h"
#include "netlink/attributes.h"
#include "netlink/socket.h"

namespace vpn::doctor {
namespace {

/// Without its MTU.
std::optional<Route> ask_for_route(const IpAddress& address) {
  auto socket = netlink::Socket::open(NETLINK_ROUTE);
  if (!socket) return std::nullopt;
  netlink::Request request(RTM_GETROUTE, 0);
  auto& asked = request.put_fixed_part<rtmsg>();
  asked.rtm_family = address.is_v4() ? AF_INET : AF_INET6;
  asked.rtm_dst_len = static_cast<std::uint8_t>(address.bit_count());
  request.put(RTA_DST, address.bytes());
  std::uint32_t index = 0;
  Route route;
  const netlink::Outcome outcome = socket->transact(request, [&](const nlmsghdr& message) {
    route.is_told = static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message))->rtm_protocol == RTPROT_RA;
    netlink::for_each_attribute(message, sizeof(rtmsg), [&index](const nlattr& attribute) {
      if (netlink::type_of(attribute) == RTA_OIF) netlink::read_into(index, attribute);
    });
    return true;
  });
  std::array<char, IF_NAMESIZE> name{};
  if (!outcome.ok() || ::if_indextoname(index, name.data()) == nullptr) return std::nullopt;
  route.interface_name = name.data();
  return route;
}

/// Connecting a UDP socket makes the kernel look the route up, and sends nothing.
int mtu_towards(const IpAddress& address) {
  sockaddr_storage remote{};
  const socklen_t size = Endpoint{address, 9}.to_sockaddr(remote);
  const UniqueFd socket(::socket(remote.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket || ::connect(socket.get(), reinterpret_cast<sockaddr*>(&remote), size) != 0) return 0;
  int mtu = 0;
  socklen_t length = sizeof mtu;
  const bool told = address.is_v4() ? ::getsockopt(socket.get(), IPPROTO_IP, IP_MTU, &mtu, &length) == 0
                                    : ::getsockopt(socket.get(), IPPROTO_IPV6, IPV6_MTU, &mtu, &length) == 0;
  return told ? mtu : 0;
}

}  // namespace

std::optional<Route> route_to(const IpAddress& address) {
  auto route = ask_for_route(address);
  if (route) route->mtu_bytes = mtu_towards(address);
  return route;
}

std::optional<Route> route_outside(IpFamily family) {
  return route_to(*IpAddress::parse(family == IpFamily::kV4 ? "192.0.2.1" : "2001:db8::1"));
}

}  // namespace vpn::doctor
