#include "host/link.h"

#include <linux/if_addr.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <iterator>
#include <string>

#include "base/interface_name.h"
#include "base/unique_fd.h"
#include "host/interface_addresses.h"
#include "host/sysctl.h"
#include "netlink/socket.h"

namespace vpn::host {
namespace {

// The interface under work: requests about it, whose errors name it.
class Link {
 public:
  Link(netlink::Socket& socket, const std::string& name, unsigned index)
      : socket_(socket), name_(name), index_(index) {}

  Status set_mtu(int mtu_bytes) {
    netlink::Request request(RTM_NEWLINK, 0);
    request.put_fixed_part<ifinfomsg>().ifi_index = static_cast<int>(index_);
    request.put_u32(IFLA_MTU, static_cast<std::uint32_t>(mtu_bytes));
    return send(request, "cannot set the MTU of " + name_ + " to " + std::to_string(mtu_bytes));
  }

  Status set_up() {
    netlink::Request request(RTM_NEWLINK, 0);
    auto& link = request.put_fixed_part<ifinfomsg>();
    link.ifi_index = static_cast<int>(index_);
    link.ifi_flags = IFF_UP;
    link.ifi_change = IFF_UP;
    return send(request, "cannot bring " + name_ + " up");
  }

  // One that is there already stays as it is.
  Status add_address(const IpPrefix& address) {
    if (Status on = address.address.is_v6() ? switch_ipv6_on() : Status{}; !on) return on;
    netlink::Request request(RTM_NEWADDR, NLM_F_CREATE | NLM_F_REPLACE);
    put_address(request, address);
    return send(request, "cannot give " + name_ + " the address " + to_string(address));
  }

  // One that is gone already is no error: the kernel removes secondaries together with their primary.
  Status remove_address(const IpPrefix& address) {
    netlink::Request request(RTM_DELADDR, 0);
    put_address(request, address);
    return send(request, "cannot take the address " + to_string(address) + " from " + name_, EADDRNOTAVAIL);
  }

 private:
  // A container's runtime may have switched it off for all interfaces, also those to come.
  Status switch_ipv6_on() {
    const std::string path = "/proc/sys/net/ipv6/conf/" + name_ + "/disable_ipv6";
    if (!switch_is(path, '1')) return {};
    return set_switch(path, '0',
                      "WG_SUBNET6 needs IPv6. Allow it from outside: `--sysctl net.ipv6.conf.all.disable_ipv6=0` with "
                      "docker run, securityContext.sysctls of the pod in Kubernetes");
  }

  void put_address(netlink::Request& request, const IpPrefix& address) {
    auto& message = request.put_fixed_part<ifaddrmsg>();
    message.ifa_family = address.address.is_v4() ? AF_INET : AF_INET6;
    message.ifa_prefixlen = address.length;
    message.ifa_index = index_;
    message.ifa_flags = IFA_F_NODAD;  // a tunnel has no neighbours who could hold the same IPv6 address
    const ByteView bytes = address.address.bytes();
    request.put(IFA_LOCAL, bytes.data(), bytes.size());
    request.put(IFA_ADDRESS, bytes.data(), bytes.size());
  }

  Status send(netlink::Request& request, const std::string& what, int harmless_error = 0) {
    const netlink::Outcome outcome = socket_.transact(request);
    if (outcome.ok() || outcome.error_number == harmless_error) return {};
    Error error = outcome.error(what);
    if (error.code == ErrorCode::kPermissionDenied) error.message += "; the NET_ADMIN capability is needed";
    return fail(std::move(error));
  }

  netlink::Socket& socket_;
  const std::string& name_;
  const unsigned index_;
};

// Removal comes first: with a primary address go its secondaries, and a wanted one may be among them.
Status set_addresses(Link& link, const LinkConfig& config) {
  const auto present = interface_addresses();
  if (!present) return fail(present.error());
  for (const InterfaceAddress& entry : *present) {
    if (entry.interface_name != config.interface_name) continue;
    const bool wanted = std::ranges::find(config.addresses, entry.prefix) != config.addresses.end();
    const bool kernels_own = entry.prefix.address.is_v6() && is_link_local(entry.prefix.address);
    if (wanted || kernels_own) continue;
    if (Status status = link.remove_address(entry.prefix); !status) return status;
  }
  for (const IpPrefix& address : config.addresses) {
    if (Status status = link.add_address(address); !status) return status;
  }
  return {};
}

// False as well when there is no such interface.
bool is_up(const std::string& name) {
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  name.copy(std::begin(request.ifr_name), IFNAMSIZ - 1);
  return ::ioctl(socket.get(), SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP) != 0;
}

}  // namespace

Status check_interface_name(std::string_view name) {
  if (is_interface_name(name)) return {};
  return fail(ErrorCode::kInvalidArgument,
              "an interface's name is 1 to 15 characters of a-z, A-Z, 0-9 and _=+.-, for example wg0", "WG_INTERFACE");
}

Status configure_link(const LinkConfig& config) {
  if (Status status = check_interface_name(config.interface_name); !status) return status;
  const unsigned index = if_nametoindex(config.interface_name.c_str());
  if (index == 0) return fail(ErrorCode::kNotFound, "there is no interface " + config.interface_name);
  auto socket = netlink::Socket::open(NETLINK_ROUTE);
  if (!socket) return fail(socket.error());

  Link link(*socket, config.interface_name, index);
  if (Status status = link.set_mtu(config.mtu_bytes); !status) return status;
  if (Status status = set_addresses(link, config); !status) return status;
  return link.set_up();
}

Status check_link(const LinkConfig& config) {
  const std::string& name = config.interface_name;
  if (!is_up(name)) return fail(ErrorCode::kUnavailable, name + " is down; `ip link set " + name + " up` mends it");
  const auto present = interface_addresses();
  if (!present) return fail(present.error());
  for (const IpPrefix& address : config.addresses) {
    const bool there = std::ranges::any_of(*present, [&](const InterfaceAddress& entry) {
      return entry.interface_name == name && entry.prefix == address;
    });
    if (there) continue;
    return fail(ErrorCode::kUnavailable, name + " has lost its address " + to_string(address) + "; `ip address add " +
                                             to_string(address) + " dev " + name + "` mends it");
  }
  return {};
}

Status remove_link(unsigned index) {
  auto socket = netlink::Socket::open(NETLINK_ROUTE);
  if (!socket) return fail(socket.error());
  netlink::Request request(RTM_DELLINK, 0);
  request.put_fixed_part<ifinfomsg>().ifi_index = static_cast<int>(index);
  const netlink::Outcome outcome = socket->transact(request);
  if (outcome.ok() || outcome.error_number == ENODEV) return {};
  Error error = outcome.error("cannot remove the interface of index " + std::to_string(index));
  if (error.code == ErrorCode::kPermissionDenied) error.message += "; the NET_ADMIN capability is needed";
  return fail(std::move(error));
}

}  // namespace vpn::host
