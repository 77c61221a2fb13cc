#include "tunnel/kernel/kernel_link.h"

#include <arpa/inet.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <optional>
#include <string_view>

#include "netlink/attributes.h"
#include "netlink/socket.h"

namespace vpn::tunnel {
namespace {

using netlink::read_into;
using netlink::text_of;
using netlink::type_of;

constexpr const char* kKind = "wireguard";

struct LinkInfo {
  unsigned index = 0;
  std::string kind;  ///< empty: hardware
  std::uint32_t group = 0;

  bool is_ours(std::uint32_t our_group) const { return kind == kKind && group == our_group; }
};

LinkInfo read_link(const nlmsghdr& message) {
  LinkInfo link;
  link.index = static_cast<unsigned>(static_cast<const ifinfomsg*>(mnl_nlmsg_get_payload(&message))->ifi_index);
  netlink::for_each_attribute(message, sizeof(ifinfomsg), [&link](const nlattr& attribute) {
    if (type_of(attribute) == IFLA_GROUP) read_into(link.group, attribute);
    if (type_of(attribute) != IFLA_LINKINFO) return;
    netlink::for_each_attribute(attribute, [&link](const nlattr& info) {
      if (type_of(info) == IFLA_INFO_KIND) link.kind = text_of(info);
    });
  });
  return link;
}

Result<std::optional<LinkInfo>> find_link(netlink::Socket& socket, const std::string& name) {
  netlink::Request request(RTM_GETLINK, 0);
  request.put_fixed_part<ifinfomsg>();
  request.put_text(IFLA_IFNAME, name);
  std::optional<LinkInfo> link;
  const netlink::Outcome outcome = socket.transact(request, [&link](const nlmsghdr& message) {
    link = read_link(message);
    return true;
  });
  if (!outcome.ok() && outcome.error_number != ENODEV) return fail(outcome.error("cannot look at interface " + name));
  return link;
}

netlink::Outcome make_link(netlink::Socket& socket, const std::string& name, std::uint32_t group) {
  netlink::Request request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
  request.put_fixed_part<ifinfomsg>();
  request.put_text(IFLA_IFNAME, name);
  request.put_u32(IFLA_GROUP, group);
  nlattr* info = request.begin_nest(IFLA_LINKINFO);
  request.put_text(IFLA_INFO_KIND, kKind);
  request.end_nest(info);
  return socket.transact(request);
}

Failure not_ours(const std::string& name, const LinkInfo& link) {
  if (link.kind != kKind) {
    return fail(ErrorCode::kAlreadyExists,
                "there is an interface " + name + " already, and it is no WireGuard interface; name another",
                "WG_INTERFACE");
  }
  return fail(ErrorCode::kAlreadyExists,
              "there is a WireGuard interface " + name +
                  " already that somebody else made; name another, or remove it: `ip link del " + name + "`",
              "WG_INTERFACE");
}

Error explain(const netlink::Outcome& outcome, const std::string& what) {
  Error error = outcome.error(what);
  if (outcome.error_number == EOPNOTSUPP) {
    error = {ErrorCode::kUnsupported, "this kernel has no WireGuard, or may not load it: `modprobe wireguard`"};
  }
  if (error.code == ErrorCode::kPermissionDenied) error.message += "; the NET_ADMIN capability is needed";
  return error;
}

// Lets pass, of all that happens to links, that this one goes: on a busy host links come and go by the hundred.
// A load of classic BPF turns network order to ours, which netlink does not use, hence the htons and htonl.
Status let_pass_removal_only(int socket, unsigned index) {
  constexpr std::uint32_t kTypeOffset = offsetof(nlmsghdr, nlmsg_type);
  constexpr std::uint32_t kIndexOffset = NLMSG_HDRLEN + offsetof(ifinfomsg, ifi_index);
  std::array<sock_filter, 6> program{{
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, kTypeOffset),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htons(RTM_DELLINK), 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, kIndexOffset),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, htonl(index), 0, 1),
      BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
      BPF_STMT(BPF_RET | BPF_K, 0),
  }};
  const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
  if (::setsockopt(socket, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) == 0) return {};
  return fail(system_error("cannot filter link changes", errno));
}

}  // namespace

Result<KernelLink> make_or_adopt_link(const std::string& name, std::uint32_t group) {
  auto socket = netlink::Socket::open(NETLINK_ROUTE);
  if (!socket) return fail(std::move(socket.error()));
  const netlink::Outcome made = make_link(*socket, name, group);
  if (!made.ok() && made.error_number != EEXIST) return fail(explain(made, "cannot make the interface " + name));
  const auto link = find_link(*socket, name);
  if (!link) return fail(link.error());
  if (!*link) return fail(ErrorCode::kUnavailable, "interface " + name + " is gone as soon as it was there");
  if (!(*link)->is_ours(group)) return not_ours(name, **link);
  return KernelLink{(*link)->index, !made.ok()};
}

// By index, so that a link that took the name meanwhile is spared.
Status remove_our_link(const std::string& name, std::uint32_t group) {
  auto socket = netlink::Socket::open(NETLINK_ROUTE);
  if (!socket) return fail(std::move(socket.error()));
  const auto link = find_link(*socket, name);
  if (!link) return fail(link.error());
  if (!*link) return {};
  if (!(*link)->is_ours(group)) return not_ours(name, **link);
  netlink::Request request(RTM_DELLINK, 0);
  request.put_fixed_part<ifinfomsg>().ifi_index = static_cast<int>((*link)->index);
  const netlink::Outcome removed = socket->transact(request);
  if (removed.ok() || removed.error_number == ENODEV) return {};
  return fail(explain(removed, "cannot remove the interface " + name));
}

Result<UniqueFd> claim_link(const std::string& name) {
  const std::string claim = std::string(1, '\0') + "vpn-enabler/" + name;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (claim.size() > sizeof address.sun_path) {
    return fail(ErrorCode::kInvalidArgument, "an interface's name has at most 15 characters", "WG_INTERFACE");
  }
  std::memcpy(address.sun_path, claim.data(), claim.size());
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + claim.size());
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!socket) return fail(system_error("cannot open a unix socket", errno));
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0) return socket;
  if (errno != EADDRINUSE) return fail(system_error("cannot claim interface " + name, errno));
  return fail(ErrorCode::kAlreadyExists, "interface " + name + " is served by another vpn-enabler; name another",
              "WG_INTERFACE");
}

// The filter stands before the first message can come, and the link is looked at when all later news would be heard.
Result<UniqueFd> watch_for_removal(unsigned index) {
  UniqueFd socket(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
  if (!socket) return fail(system_error("cannot open a netlink socket", errno));
  if (Status filtered = let_pass_removal_only(socket.get(), index); !filtered) return fail(filtered.error());
  sockaddr_nl address{};
  address.nl_family = AF_NETLINK;
  address.nl_groups = RTMGRP_LINK;
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    return fail(system_error("cannot listen to link changes", errno));
  }
  std::array<char, IF_NAMESIZE> name{};
  if (::if_indextoname(index, name.data()) == nullptr) return fail(ErrorCode::kUnavailable, "the interface is gone");
  return socket;
}

}  // namespace vpn::tunnel
