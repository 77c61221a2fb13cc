#include "doctor/examine.h"

#include <net/if.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "cli/health_answer.h"
#include "control/model/network.h"
#include "doctor/capability_check.h"
#include "doctor/clock_check.h"
#include "doctor/conntrack_check.h"
#include "doctor/firewall_check.h"
#include "doctor/forwarding_check.h"
#include "doctor/gateway_check.h"
#include "doctor/ipv6_check.h"
#include "doctor/limited.h"
#include "doctor/mtu_check.h"
#include "doctor/port_check.h"
#include "doctor/reverse_path_check.h"
#include "doctor/route.h"
#include "doctor/server_ip_check.h"
#include "doctor/tunnel_check.h"
#include "host/interface_addresses.h"
#include "host/rules.h"

namespace vpn::doctor {
namespace {

constexpr std::chrono::seconds kHealthPatience{1};
/// From the start, for what is asked beside everything else.
constexpr std::chrono::milliseconds kPatience{2500};

/// The one towards the Internet, or without a route there, any that faces a network.
std::string outside_interface(const std::string& vpn_interface) {
  for (const IpFamily family : {IpFamily::kV4, IpFamily::kV6}) {
    const auto route = route_outside(family);
    if (route && route->interface_name != vpn_interface) return route->interface_name;
  }
  const auto addresses = host::interface_addresses();
  if (!addresses) return {};
  const auto faces_network = [&](const host::InterfaceAddress& entry) {
    const unsigned flags = entry.interface_flags & (IFF_UP | IFF_LOOPBACK | IFF_POINTOPOINT);
    return flags == IFF_UP && entry.interface_name != vpn_interface;
  };
  const auto found = std::ranges::find_if(*addresses, faces_network);
  return found == addresses->end() ? std::string() : found->interface_name;
}

/// One of the subnet that is not the gateway's own.
IpAddress some_client(const IpPrefix& gateway) {
  const std::uint32_t network = gateway.masked().address.v4_host_order();
  const IpAddress first = IpAddress::v4(network + 1);
  return first == gateway.address ? IpAddress::v4(network + 2) : first;
}

ServerIpFacts unanswered(const std::string& server_ip) {
  return {server_ip, fail(ErrorCode::kUnavailable, "the name servers do not answer in time")};
}

}  // namespace

Examination examine(const Result<cli::Settings>& read, const LookAtStore& look_at_store, const Clock& clock) {
  Examination examination;
  const auto say = [&](Finding finding) { examination.findings.push_back(std::move(finding)); };
  if (!read) {
    say({"settings", State::kBroken, read.error().message,
         advice("correct it; until then nothing else can be looked at")});
    return examination;
  }
  const cli::Settings& settings = *read;
  const auto until = std::chrono::steady_clock::now() + kPatience;
  Limited<ServerIpFacts> server_ip([given = settings.server_ip] { return look_at_server_ip(given); });
  Limited<Result<std::string>> store([look_at_store, settings] { return look_at_store(settings); });

  say({"settings", State::kOk, "are as `vpn-enabler serve` takes them"});
  const auto health = cli::ask_health(settings.api_socket.string(), kHealthPatience);
  // Who may not ask sees the interface.
  const bool may_not_ask = !health && health.error().code == ErrorCode::kPermissionDenied;
  const bool serves = health || health.error().code == ErrorCode::kUnavailable ||
                      (may_not_ask && ::if_nametoindex(settings.wg_interface.c_str()) != 0);
  const int gateway = health ? health->process_id : 0;
  say(judge_gateway(health));

  const TunnelFacts tunnel = look_at_tunnel(settings, serves);
  const bool kernel_is_ours = tunnel.link_is_ours && tunnel.link_kind == "wireguard";
  say(judge_tunnel(tunnel));
  say(judge_tun(look_at_tun(!tunnel.by_kernel())));
  say(judge_capabilities(look_at_capabilities(settings, gateway)));

  const std::string outside = outside_interface(settings.wg_interface);
  say(judge_forwarding(look_at_forwarding(settings.wg_interface, outside, serves)));
  const auto known = server_ip.take(until);
  examination.hangs |= !known;
  const ServerIpFacts called = known.value_or(unanswered(settings.server_ip));
  const IpAddress first_called =
      called.addresses && !called.addresses->empty() ? called.addresses->front() : IpAddress();
  say(judge_reverse_path(look_at_reverse_path(first_called, outside)));
  say(judge_mtu(look_at_mtu(settings.wg_mtu_bytes, first_called.family())));

  say(judge_udp_port(look_at_udp_port(settings.wg_port, serves, gateway, kernel_is_ours)));
  say(judge_api_port(look_at_api_port(settings.api_address, settings.api_port, serves, gateway)));
  const FirewallFacts firewalls{.rules = read_firewalls(),
                                .vpn_interface = settings.wg_interface,
                                .own_table = host::table_name(settings.wg_interface),
                                .udp_port = settings.wg_port};
  const IpAddress client = some_client(settings.wg_subnet);
  say(judge_way_in(firewalls, IpFamily::kV4, outside));
  say(judge_way_through(firewalls, client, outside));

  const Called by_ipv6 = called_by_ipv6(called.addresses.value_or(std::vector<IpAddress>()));
  if (settings.wg_subnet6 || by_ipv6 != Called::kNone) {
    const Ipv6Facts ipv6 = look_at_ipv6(settings.wg_subnet6.has_value(), by_ipv6, settings.wg_interface, serves);
    const std::string outside6 = ipv6.outside ? ipv6.outside->interface_name : outside;
    say(judge_ipv6(ipv6));
    if (by_ipv6 != Called::kNone) say(judge_way_in(firewalls, IpFamily::kV6, outside6));
    if (settings.wg_subnet6) {
      say(judge_forwarding(look_at_ipv6_forwarding(serves)));
      say(judge_way_through(firewalls, control::embed_v4(*settings.wg_subnet6, client), outside6));
    }
  }
  say(judge_conntrack(look_at_conntrack()));
  say(judge_clock(look_at_clock(clock)));
  say(judge_server_ip(called));

  say(judge_state(look_at_state(settings)));
  const auto looked = store.take(until);
  examination.hangs |= !looked;
  say(judge_store(looked, ::geteuid() == 0));
  return examination;
}

}  // namespace vpn::doctor
