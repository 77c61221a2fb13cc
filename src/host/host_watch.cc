#include "host/host_watch.h"

#include <linux/if_addr.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <sys/epoll.h>

#include <cerrno>
#include <utility>

#include "host/rules.h"
#include "netlink/attributes.h"

namespace vpn::host {
namespace {

// Tables, chains, rules and sets all name their table in the first attribute.
constexpr int kTableAttribute = NFTA_TABLE_NAME;
static_assert(kTableAttribute == int{NFTA_CHAIN_TABLE} && kTableAttribute == int{NFTA_RULE_TABLE} &&
              kTableAttribute == int{NFTA_SET_TABLE} && kTableAttribute == int{NFTA_SET_ELEM_LIST_TABLE});

bool is_about_table(const nlmsghdr& message, const std::string& table) {
  if (NFNL_MSG_TYPE(message.nlmsg_type) == NFT_MSG_NEWGEN) return false;
  bool ours = false;
  netlink::for_each_attribute(message, sizeof(nfgenmsg), [&](const nlattr& attribute) {
    ours |= netlink::type_of(attribute) == kTableAttribute && netlink::text_of(attribute) == table;
  });
  return ours;
}

template <typename T>
const T& fixed_part(const nlmsghdr& message) {
  return *static_cast<const T*>(mnl_nlmsg_get_payload(&message));
}

bool is_about_link(const nlmsghdr& message, int index) {
  switch (message.nlmsg_type) {
    case RTM_NEWLINK:
    case RTM_DELLINK:
      return fixed_part<ifinfomsg>(message).ifi_index == index;
    case RTM_NEWADDR:
    case RTM_DELADDR:
      return fixed_part<ifaddrmsg>(message).ifa_index == static_cast<unsigned>(index);
    default:
      return message.nlmsg_type == RTM_NEWNETCONF;  // forwarding, of all interfaces or of one
  }
}

}  // namespace

HostWatch::HostWatch(netlink::Events rules, netlink::Events links, UniqueFd poll, std::string table, int index)
    : rules_(std::move(rules)),
      links_(std::move(links)),
      poll_(std::move(poll)),
      table_(std::move(table)),
      index_(index) {}

Result<HostWatch> HostWatch::open(const std::string& interface_name) {
  const unsigned index = ::if_nametoindex(interface_name.c_str());
  if (index == 0) return fail(ErrorCode::kNotFound, "there is no interface " + interface_name);
  auto rules = netlink::Events::open(NETLINK_NETFILTER, {NFNLGRP_NFTABLES});
  if (!rules) return fail(rules.error());
  auto links = netlink::Events::open(NETLINK_ROUTE, {RTNLGRP_LINK, RTNLGRP_IPV4_IFADDR, RTNLGRP_IPV6_IFADDR,
                                                     RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF});
  if (!links) return fail(links.error());
  UniqueFd poll(::epoll_create1(EPOLL_CLOEXEC));
  if (!poll) return fail(system_error("cannot make an epoll instance", errno));
  epoll_event readable{.events = EPOLLIN, .data = {}};
  for (const int fd : {rules->fd(), links->fd()}) {
    if (::epoll_ctl(poll.get(), EPOLL_CTL_ADD, fd, &readable) != 0) {
      return fail(system_error("cannot wait for netlink", errno));
    }
  }
  return HostWatch(*std::move(rules), *std::move(links), std::move(poll), table_name(interface_name),
                   static_cast<int>(index));
}

HostWatch::News HostWatch::read() const {
  News news;
  if (!rules_.read([&](const nlmsghdr& message) { news.rules |= is_about_table(message, table_); })) news.rules = true;
  if (!links_.read([&](const nlmsghdr& message) { news.link |= is_about_link(message, index_); })) news.link = true;
  return news;
}

}  // namespace vpn::host
