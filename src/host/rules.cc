#include "host/rules.h"

#include <algorithm>
#include <array>
#include <initializer_list>
#include <iterator>
#include <string_view>

#include "base/text.h"
#include "host/link.h"
#include "host/table_name.h"

namespace vpn::host {
namespace {

constexpr std::string_view kClientsChain = "from_clients";

// How nft names a family's header, its ping and its loopback.
struct Family {
  IpFamily number;
  std::string_view header;
  std::string_view protocol;  // what `meta nfproto` says
  std::string_view ping;
  std::string_view loopback;
};
constexpr std::array kFamilies = {
    Family{IpFamily::kV4, "ip", "ipv4", "icmp type echo-request", "127.0.0.0/8"},
    Family{IpFamily::kV6, "ip6", "ipv6", "icmpv6 type echo-request", "::1"},
};

std::string line(std::initializer_list<std::string_view> words) {
  std::string text = "   ";
  for (const std::string_view word : words) (text += ' ') += word;
  return text += '\n';
}

std::vector<IpPrefix> of_family(const std::vector<IpPrefix>& prefixes, const Family& family) {
  std::vector<IpPrefix> found;
  std::copy_if(prefixes.begin(), prefixes.end(), std::back_inserter(found),
               [&](const IpPrefix& prefix) { return prefix.address.family() == family.number; });
  return found;
}

bool has_everything(const std::vector<IpPrefix>& prefixes) {
  return std::any_of(prefixes.begin(), prefixes.end(), [](const IpPrefix& prefix) { return prefix.length == 0; });
}

Result<std::vector<IpPrefix>> parse_allowed_ips(std::string_view text) {
  std::vector<IpPrefix> prefixes;
  for (const std::string_view item : split_at_commas(text)) {
    const auto prefix = IpPrefix::parse(item);
    if (!prefix) {
      return fail(ErrorCode::kInvalidArgument, "must be comma-separated prefixes, for example 10.0.0.0/8",
                  "PEER_ALLOWED_IPS");
    }
    prefixes.push_back(prefix->masked());
  }
  return prefixes;
}

Status check_addresses(const std::vector<IpPrefix>& addresses) {
  const bool whole = std::all_of(addresses.begin(), addresses.end(),
                                 [](const IpPrefix& own) { return static_cast<bool>(own.address); });
  const bool single = std::all_of(kFamilies.begin(), kFamilies.end(),
                                  [&](const Family& family) { return of_family(addresses, family).size() <= 1; });
  if (!addresses.empty() && whole && single) return {};
  return fail(ErrorCode::kInvalidArgument, "must be the gateway's address in the VPN, for example 192.168.2.1/24",
              "WG_SUBNET");
}

// Which packets of clients go on, each family's by itself. Nothing of an IP version in which the VPN has no address,
// and nothing to our loopback: it is the host's alone, but reachable from outside where somebody set route_localnet
// (Kubernetes does), and the API asks no token there.
std::string source_rules(const std::vector<IpPrefix>& addresses) {
  std::string text;
  for (const Family& family : kFamilies) {
    const std::vector<IpPrefix> own = of_family(addresses, family);
    if (own.empty()) {
      text += line({"meta nfproto", family.protocol, "drop"});
      continue;
    }
    text += line({family.header, "saddr !=", to_string(own[0].masked()), "drop"});
    text += line({family.header, "daddr", family.loopback, "drop"});
  }
  return text;
}

// Where to. A client's answers to those who called it go anywhere; its own packets are judged one by one, also those of
// a connection that it opened when more was allowed.
std::string destination_rules(const std::vector<IpPrefix>& addresses, const std::vector<IpPrefix>& allowed) {
  std::string text;
  bool limited = false;
  for (const Family& family : kFamilies) {
    const std::vector<IpPrefix> own = of_family(addresses, family);
    if (own.empty()) continue;
    const std::vector<IpPrefix> reached = of_family(allowed, family);
    if (has_everything(reached)) {
      text += line({"meta nfproto", family.protocol, "return"});
      continue;
    }
    limited = true;
    text += line({family.header, "daddr", to_string(own[0].address), family.ping, "return"});
    // A rule for each, not one set: the kernel (6.18, nft_set_rbtree.c) fills a new set only after the new rules count,
    // and packets that come between are lost.
    for (const IpPrefix& prefix : reached) text += line({family.header, "daddr", to_string(prefix), "return"});
  }
  if (!limited) return {};
  return line({"ct state established,related ct direction reply return"}) + text + line({"drop"});
}

// Both directions of a TCP connection through the tunnel offer no larger segment than the route carries: path MTU
// discovery fails wherever ICMP is filtered.
std::string clamp_rules(const std::string& interface) {
  constexpr std::string_view kClamp = "tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu";
  return line({"iifname", interface, kClamp}) + line({"oifname", interface, kClamp});
}

// The loopback interface is left out: what the gateway says to its own address keeps that address.
std::string masquerade_rules(const std::vector<IpPrefix>& addresses, const std::string& interface) {
  std::string text;
  for (const Family& family : kFamilies) {
    for (const IpPrefix& own : of_family(addresses, family)) {
      text +=
          line({family.header, "saddr", to_string(own.masked()), "oifname != { \"lo\",", interface, "} masquerade"});
    }
  }
  return text;
}

std::string closed_port_rule(const std::string& interface, std::uint16_t port) {
  return port == 0 ? "" : line({"iifname", interface, "tcp dport", std::to_string(port), "drop"});
}

/// `hook` is empty for a chain that others jump to.
std::string chain(std::string_view name, std::string_view hook, const std::string& rules) {
  return "  chain " + std::string(name) + " {\n" + (hook.empty() ? "" : line({hook})) + rules + "  }\n";
}

}  // namespace

std::string table_name(const std::string& interface_name) {
  return table_name("vpn_enabler_", interface_name);
}

Result<std::string> apply_text(const RulesConfig& config) {
  if (Status status = check_interface_name(config.interface_name); !status) return fail(status.error());
  if (Status status = check_addresses(config.addresses); !status) return fail(status.error());
  const auto allowed = parse_allowed_ips(config.allowed_ips);
  if (!allowed) return fail(allowed.error());
  std::string text;
  for (const std::string& earlier : config.earlier_interfaces) {
    const auto removal = remove_text(earlier);
    if (!removal) return fail(removal.error());
    text += *removal;
  }
  const std::string table = table_name(config.interface_name);
  const std::string interface = '"' + config.interface_name + '"';
  const std::string to_clients_chain = line({"iifname", interface, "jump", kClientsChain});
  // The chains stay, only their rules change: a packet that is in a chain meets all the old rules or all the new ones.
  // A table made anew would not do. The kernel puts the new chain before the old one, and a packet that is held up
  // between the two at the moment of change meets neither's rules. So a chain keeps its hook and priority for ever:
  // another place needs another name.
  text += "add table inet " + table + "\nflush table inet " + table + "\ntable inet " + table + " {\n";
  text += chain(kClientsChain, "", source_rules(config.addresses) + destination_rules(config.addresses, *allowed));
  // Behind everybody's dstnat, so that what counts is where a packet really goes.
  text += chain("input", "type filter hook input priority filter; policy accept;",
                closed_port_rule(interface, config.closed_tcp_port) + to_clients_chain);
  text += chain("forward", "type filter hook forward priority filter; policy accept;",
                to_clients_chain + clamp_rules(interface));
  if (config.masquerade) {
    text += chain("postrouting", "type nat hook postrouting priority srcnat; policy accept;",
                  masquerade_rules(config.addresses, interface));
  }
  return text + "}\n";
}

Result<std::string> remove_text(const std::string& interface_name) {
  if (Status status = check_interface_name(interface_name); !status) return fail(status.error());
  // Adding a table that exists is no error and deleting one that does not is, so: add, then delete.
  const std::string table = table_name(interface_name);
  return "add table inet " + table + "\ndelete table inet " + table + "\n";
}

}  // namespace vpn::host
