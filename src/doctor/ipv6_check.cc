#include "doctor/ipv6_check.h"

#include <algorithm>

namespace vpn::doctor {
namespace {

const std::string kName = "ipv6";

Finding judge_switch(const Ipv6Facts& facts) {
  const Sysctl& disabled = facts.disabled;
  if (!facts.serves && disabled.writable) return {kName, State::kOk, "off; `vpn-enabler serve` switches it on"};
  const std::string set = disabled.name + "=0";
  return {kName, State::kBroken, disabled.name + " is 1: the VPN has no IPv6",
          command("sysctl -w " + set + (facts.serves ? " && systemctl restart vpn-enabler" : ""),
                  "`--sysctl net.ipv6.conf.all.disable_ipv6=0` with docker run, securityContext.sysctls of the pod in "
                  "Kubernetes")};
}

Finding judge_missing_route(const Ipv6Facts& facts) {
  const Cure cure = advice("give this machine an IPv6 default route, or let clients call an IPv4 address");
  const std::string no_route = "this machine has no IPv6 route to the outside: ";
  if (facts.called == Called::kAll) return {kName, State::kBroken, no_route + "it cannot answer its clients", cure};
  if (facts.called == Called::kSome) {
    return {kName, State::kWarning, no_route + "it cannot answer clients that call the IPv6 address of SERVER_IP",
            cure};
  }
  return {kName, State::kNote, no_route + "clients' IPv6 reaches the site alone"};
}

}  // namespace

Called called_by_ipv6(const std::vector<IpAddress>& addresses) {
  const auto count = std::ranges::count_if(addresses, [](const IpAddress& address) { return address.is_v6(); });
  return count == 0 ? Called::kNone : count == std::ssize(addresses) ? Called::kAll : Called::kSome;
}

Ipv6Facts look_at_ipv6(bool in_vpn, Called called, const std::string& vpn_interface, bool serves) {
  const std::string conf = "net/ipv6/conf/";
  Ipv6Facts facts{.in_vpn = in_vpn,
                  .called = called,
                  .serves = serves,
                  .disabled = read_sysctl(conf + vpn_interface + "/disable_ipv6"),
                  .outside = route_outside(IpFamily::kV6)};
  if (!facts.disabled.value) facts.disabled = read_sysctl(conf + "default/disable_ipv6");
  if (facts.outside) facts.heeds_routers = read_sysctl(conf + facts.outside->interface_name + "/accept_ra");
  facts.forwards = read_sysctl(conf + "all/forwarding").value.value_or(0) != 0;
  return facts;
}

Finding judge_ipv6(const Ipv6Facts& facts) {
  if (!facts.disabled.value) {
    return {kName, State::kBroken, "this kernel has no IPv6",
            advice("boot it without ipv6.disable=1; or unset WG_SUBNET6, and let clients call an IPv4 address")};
  }
  if (facts.in_vpn && *facts.disabled.value == 1) return judge_switch(facts);
  if (!facts.outside) return judge_missing_route(facts);
  const std::string& interface = facts.outside->interface_name;
  // Where forwarding is off, `serve` sees to it before it switches it on.
  if (facts.outside->is_told && facts.forwards && facts.heeds_routers.value == 1) {
    const std::string& name = facts.heeds_routers.name;
    return {kName, State::kWarning,
            name + " is 1, and this machine forwards: it heeds no router any more, and loses the route by " +
                interface + " when that runs out",
            command("sysctl -w " + name + "=2")};
  }
  return {kName, State::kOk, "leaves by " + interface};
}

}  // namespace vpn::doctor
