#include "host/policy_rules.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include "netlink/attributes.h"
#include "netlink/socket.h"

namespace vpn::host {
namespace {

/// FRA_PROTOCOL, who made a rule: a number that neither /etc/iproute2/rt_protos nor the kernel gives to anybody.
constexpr std::uint8_t kOurProtocol = 0x76;  // 'v'

unsigned char family_number(IpFamily family) {
  return family == IpFamily::kV4 ? AF_INET : AF_INET6;
}

std::string describe(const PolicyRule& rule) {
  return "the routing rule of priority " + std::to_string(rule.priority) + " to table " + std::to_string(rule.table);
}

void put_rule(netlink::Request& request, const PolicyRule& rule) {
  auto& header = request.put_fixed_part<fib_rule_hdr>();
  header.family = family_number(rule.family);
  header.action = FR_ACT_TO_TBL;
  header.flags = rule.unless_mark != 0 ? FIB_RULE_INVERT : 0;
  request.put_u32(FRA_PRIORITY, rule.priority);
  request.put_u32(FRA_TABLE, rule.table);
  if (rule.unless_mark != 0) request.put_u32(FRA_FWMARK, rule.unless_mark);
  if (rule.without_default) request.put_u32(FRA_SUPPRESS_PREFIXLEN, 0);
  request.put_u8(FRA_PROTOCOL, kOurProtocol);
}

Status send(netlink::Request& request, const std::string& what, int harmless_error = 0) {
  auto socket = netlink::Socket::open(NETLINK_ROUTE);
  if (!socket) return fail(socket.error());
  const netlink::Outcome outcome = socket->transact(request);
  if (outcome.ok() || outcome.error_number == harmless_error) return {};
  Error error = outcome.error(what);
  if (outcome.error_number == EEXIST) error.code = ErrorCode::kAlreadyExists;
  if (outcome.error_number == EAFNOSUPPORT || outcome.error_number == EOPNOTSUPP) {
    error.code = ErrorCode::kUnsupported;
    error.message += "; this kernel has no policy routing for that IP version";
  }
  if (error.code == ErrorCode::kPermissionDenied) error.message += "; the NET_ADMIN capability is needed";
  return fail(std::move(error));
}

}  // namespace

Status add_policy_rule(const PolicyRule& rule) {
  netlink::Request request(RTM_NEWRULE, NLM_F_CREATE | NLM_F_EXCL);
  put_rule(request, rule);
  return send(request, "cannot add " + describe(rule));
}

Status remove_policy_rule(const PolicyRule& rule) {
  netlink::Request request(RTM_DELRULE, 0);
  put_rule(request, rule);
  return send(request, "cannot remove " + describe(rule), ENOENT);
}

Result<std::vector<std::uint32_t>> policy_rule_priorities(IpFamily family) {
  auto socket = netlink::Socket::open(NETLINK_ROUTE);
  if (!socket) return fail(socket.error());
  netlink::Request request(RTM_GETRULE, NLM_F_DUMP);
  request.put_fixed_part<fib_rule_hdr>().family = family_number(family);
  std::vector<std::uint32_t> priorities;
  const netlink::Outcome outcome = socket->transact(request, [&priorities](const nlmsghdr& message) {
    std::uint32_t priority = 0;  // the kernel does not tell that of the first rule
    netlink::for_each_attribute(message, sizeof(fib_rule_hdr), [&priority](const nlattr& attribute) {
      if (netlink::type_of(attribute) == FRA_PRIORITY) netlink::read_into(priority, attribute);
    });
    priorities.push_back(priority);
    return true;
  });
  if (outcome.ok()) return priorities;
  return fail(outcome.error("cannot list the routing rules"));
}

}  // namespace vpn::host
