#include "host/rules.h"

#include <array>
#include <cctype>
#include <string_view>

#include "host/link.h"

namespace vpn::host {
namespace {

// Adding a table that exists is no error and deleting one that does not is, so: add, then delete.
std::string clear_table(const std::string& table) {
  return "add table inet " + table + "\ndelete table inet " + table + "\n";
}

// Both directions of a TCP connection through the tunnel offer no larger segment than the route carries: path MTU
// discovery fails wherever ICMP is filtered.
std::string clamp_rules(const std::string& interface) {
  constexpr std::string_view kClamp = " tcp flags & (syn | rst) == syn tcp option maxseg size set rt mtu\n";
  return "    iifname " + interface + std::string(kClamp) + "    oifname " + interface + std::string(kClamp);
}

// The loopback interface is left out: what the gateway says to its own address keeps that address.
std::string masquerade_rule(const IpPrefix& subnet, const std::string& interface) {
  const std::string family = subnet.address.is_v4() ? "ip" : "ip6";
  return "    " + family + " saddr " + to_string(subnet) + " oifname != { \"lo\", " + interface + " } masquerade\n";
}

std::string chain(const std::string& name, const std::string& hook, const std::string& rules) {
  return "  chain " + name + " {\n    " + hook + "\n" + rules + "  }\n";
}

}  // namespace

std::string table_name(const std::string& interface_name) {
  // nft takes letters, digits and _-./ in a table's name; an interface's name has no '/', which therefore escapes the
  // rest.
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string name = "vpn_enabler_";
  for (const char c : interface_name) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '_' || c == '-' || c == '.') {
      name += c;
    } else {
      name += {'/', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return name;
}

Result<std::string> apply_text(const RulesConfig& config) {
  if (Status status = check_interface_name(config.interface_name); !status) return fail(status.error());
  if (!config.subnet.address || config.subnet != config.subnet.masked()) {
    return fail(ErrorCode::kInvalidArgument, "the VPN's subnet must be a network, for example 192.168.2.0/24",
                "WG_SUBNET");
  }
  std::string text;
  for (const std::string& earlier : config.earlier_interfaces) {
    const auto removal = remove_text(earlier);
    if (!removal) return fail(removal.error());
    text += *removal;
  }
  const std::string table = table_name(config.interface_name);
  const std::string interface = '"' + config.interface_name + '"';
  text += clear_table(table) + "table inet " + table + " {\n";
  text += chain("forward", "type filter hook forward priority filter; policy accept;", clamp_rules(interface));
  if (config.masquerade) {
    text += chain("postrouting", "type nat hook postrouting priority srcnat; policy accept;",
                  masquerade_rule(config.subnet, interface));
  }
  return text + "}\n";
}

Result<std::string> remove_text(const std::string& interface_name) {
  if (Status status = check_interface_name(interface_name); !status) return fail(status.error());
  return clear_table(table_name(interface_name));
}

}  // namespace vpn::host
