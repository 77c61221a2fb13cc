#include "host/routes.h"

#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>

#include "base/unique_fd.h"
#include "netlink/attributes.h"
#include "netlink/socket.h"

namespace vpn::host {
namespace {

using netlink::read_into;
using netlink::type_of;

constexpr std::array kFamilies = {AF_INET, AF_INET6};

/// What a route of the kernel's says.
struct RouteInfo {
  std::uint32_t table = 0;
  int destination_length = 0;
  unsigned char type = 0;
  unsigned interface_index = 0;
  int mtu_bytes = 0;  ///< 0: the interface's
};

RouteInfo read_route(const nlmsghdr& message) {
  const auto& header = *static_cast<const rtmsg*>(mnl_nlmsg_get_payload(&message));
  RouteInfo route{header.rtm_table, header.rtm_dst_len, header.rtm_type};
  netlink::for_each_attribute(message, sizeof(rtmsg), [&route](const nlattr& attribute) {
    if (type_of(attribute) == RTA_TABLE) read_into(route.table, attribute);
    if (type_of(attribute) == RTA_OIF) read_into(route.interface_index, attribute);
    if (type_of(attribute) != RTA_METRICS) return;
    netlink::for_each_attribute(attribute, [&route](const nlattr& metric) {
      if (type_of(metric) == RTAX_MTU) read_into(route.mtu_bytes, metric);
    });
  });
  return route;
}

int mtu_of_interface(unsigned index) {
  ifreq request{};
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket || ::if_indextoname(index, request.ifr_name) == nullptr) return 0;
  return ::ioctl(socket.get(), SIOCGIFMTU, &request) == 0 ? request.ifr_mtu : 0;
}

std::optional<int> mtu_of(const RouteInfo& route) {
  if (route.mtu_bytes > 0) return route.mtu_bytes;
  const int mtu_bytes = mtu_of_interface(route.interface_index);
  return mtu_bytes > 0 ? std::optional(mtu_bytes) : std::nullopt;
}

/// Calls `visit` with each route of a family, until it says that it has seen enough.
template <typename Visit>
Status for_each_route(int family, Visit visit) {
  auto socket = netlink::Socket::open(NETLINK_ROUTE);
  if (!socket) return fail(socket.error());
  netlink::Request request(RTM_GETROUTE, NLM_F_DUMP);
  request.put_fixed_part<rtmsg>().rtm_family = static_cast<unsigned char>(family);
  const netlink::Outcome outcome =
      socket->transact(request, [&](const nlmsghdr& message) { return visit(read_route(message)); });
  if (outcome.ok()) return {};
  return fail(outcome.error("cannot list the routes"));
}

}  // namespace

Status add_route(const Route& route) {
  const std::string to = to_string(route.prefix) + " through " + route.interface_name;
  const unsigned index = ::if_nametoindex(route.interface_name.c_str());
  if (index == 0) return fail(ErrorCode::kNotFound, "there is no interface " + route.interface_name);
  auto socket = netlink::Socket::open(NETLINK_ROUTE);
  if (!socket) return fail(socket.error());
  netlink::Request request(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_EXCL);
  auto& header = request.put_fixed_part<rtmsg>();
  header.rtm_family = route.prefix.address.is_v4() ? AF_INET : AF_INET6;
  header.rtm_dst_len = route.prefix.length;
  header.rtm_table = route.table < 256 ? static_cast<unsigned char>(route.table) : std::uint8_t{RT_TABLE_UNSPEC};
  header.rtm_protocol = RTPROT_STATIC;
  header.rtm_scope = route.prefix.address.is_v4() ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  header.rtm_type = RTN_UNICAST;
  request.put(RTA_DST, route.prefix.address.bytes());
  request.put_u32(RTA_OIF, index);
  request.put_u32(RTA_TABLE, route.table);
  const netlink::Outcome outcome = socket->transact(request);
  if (outcome.ok()) return {};
  Error error = outcome.error("cannot route " + to);
  if (outcome.error_number == EEXIST) {
    error = {ErrorCode::kAlreadyExists, "cannot route " + to + ": there is a route to that network already"};
  }
  if (error.code == ErrorCode::kPermissionDenied) error.message += "; the NET_ADMIN capability is needed";
  return fail(std::move(error));
}

Result<bool> is_table_empty(std::uint32_t table) {
  bool is_empty = true;
  for (const int family : kFamilies) {
    const Status listed = for_each_route(family, [&](const RouteInfo& route) {
      is_empty = is_empty && route.table != table;
      return true;
    });
    if (!listed) return fail(listed.error());
  }
  return is_empty;
}

std::optional<int> mtu_towards(const IpAddress& remote) {
  auto socket = netlink::Socket::open(NETLINK_ROUTE);
  if (!socket) return std::nullopt;
  netlink::Request request(RTM_GETROUTE, 0);
  auto& header = request.put_fixed_part<rtmsg>();
  header.rtm_family = remote.is_v4() ? AF_INET : AF_INET6;
  header.rtm_dst_len = static_cast<unsigned char>(remote.bit_count());
  request.put(RTA_DST, remote.bytes());
  std::optional<RouteInfo> route;
  const netlink::Outcome outcome = socket->transact(request, [&route](const nlmsghdr& message) {
    route = read_route(message);
    return true;
  });
  return outcome.ok() && route ? mtu_of(*route) : std::nullopt;
}

std::optional<int> mtu_of_default_route() {
  for (const int family : kFamilies) {
    std::optional<RouteInfo> found;
    const Status listed = for_each_route(family, [&found](const RouteInfo& route) {
      const bool is_default =
          route.table == RT_TABLE_MAIN && route.destination_length == 0 && route.type == RTN_UNICAST;
      if (is_default && !found) found = route;
      return true;
    });
    if (listed && found) return mtu_of(*found);
  }
  return std::nullopt;
}

}  // namespace vpn::host
