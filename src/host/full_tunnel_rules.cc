#include "host/full_tunnel_rules.h"

#include "host/link.h"
#include "host/table_name.h"

namespace vpn::host {
namespace {

// Not the gateway's table of that interface.
constexpr const char* kPrefix = "vpn_tunnel_";

std::string removal(const std::string& table) {
  return "add table inet " + table + "\ndelete table inet " + table + "\n";
}

}  // namespace

Result<std::string> full_tunnel_text(const FullTunnelRules& rules) {
  if (Status status = check_interface_name(rules.interface_name); !status) return fail(status.error());
  const std::string mark = std::to_string(rules.mark);
  const std::string outside = "    iifname != \"" + rules.interface_name + "\" ";
  std::string guard;
  for (const IpPrefix& own : rules.addresses) {
    guard += outside + (own.address.is_v4() ? "ip" : "ip6") + " daddr " + to_string(own.address) +
             " fib saddr type != local drop\n";
  }
  const std::string table = table_name(kPrefix, rules.interface_name);
  // Only our own mark is saved and restored: what others mark stays as they did.
  return removal(table) + "table inet " + table +
         " {\n"
         "  chain guard {\n    type filter hook prerouting priority raw; policy accept;\n" +
         guard +
         "  }\n"
         "  chain save_mark {\n    type filter hook postrouting priority mangle; policy accept;\n"
         "    meta l4proto udp meta mark " +
         mark +
         " ct mark set meta mark\n"
         "  }\n"
         "  chain restore_mark {\n    type filter hook prerouting priority mangle; policy accept;\n"
         "    meta l4proto udp ct mark " +
         mark + " meta mark set ct mark\n  }\n}\n";
}

Result<std::string> remove_full_tunnel_text(const std::string& interface_name) {
  if (Status status = check_interface_name(interface_name); !status) return fail(status.error());
  return removal(table_name(kPrefix, interface_name));
}

}  // namespace vpn::host
