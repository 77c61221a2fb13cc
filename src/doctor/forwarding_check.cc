#include "doctor/forwarding_check.h"

namespace vpn::doctor {
namespace {

Cure set_to_one(const Sysctl& sysctl) {
  return command("sysctl -w " + sysctl.name + "=1",
                 "`--sysctl " + sysctl.name + "=1` with docker run, securityContext.sysctls of the pod in Kubernetes");
}

}  // namespace

ForwardingFacts look_at_forwarding(const std::string& vpn_interface, const std::string& outside_interface,
                                   bool serves) {
  ForwardingFacts facts{.everywhere = read_sysctl("net/ipv4/ip_forward"), .interfaces = {}, .serves = serves};
  for (const std::string& interface : {vpn_interface, outside_interface}) {
    if (interface.empty()) continue;
    Sysctl own = read_sysctl("net/ipv4/conf/" + interface + "/forwarding");
    if (own.value) facts.interfaces.push_back(std::move(own));
  }
  return facts;
}

/// IPv6 has one switch: that of an interface says whether the machine is a host or a router there, and no more.
ForwardingFacts look_at_ipv6_forwarding(bool serves) {
  return {.family = IpFamily::kV6,
          .everywhere = read_sysctl("net/ipv6/conf/all/forwarding"),
          .interfaces = {},
          .serves = serves};
}

Finding judge_forwarding(const ForwardingFacts& facts) {
  const bool v6 = facts.family == IpFamily::kV6;
  const std::string name = v6 ? "forwarding6" : "forwarding";
  const Sysctl& everywhere = facts.everywhere;
  if (!everywhere.value) return {name, State::kNote, everywhere.name + " could not be read"};
  if (*everywhere.value == 0) {
    if (!facts.serves && everywhere.writable) return {name, State::kOk, "off; `vpn-enabler serve` switches it on"};
    return {name, State::kBroken, everywhere.name + " is 0: no client reaches the site" + (v6 ? " by IPv6" : ""),
            set_to_one(everywhere)};
  }
  for (const Sysctl& own : facts.interfaces) {
    if (*own.value == 0) {
      return {name, State::kBroken, own.name + " is 0: what comes in there goes no further", set_to_one(own)};
    }
  }
  return {name, State::kOk, "on"};
}

}  // namespace vpn::doctor
