#include "quick/saved_text.h"

#include <utility>

#include "control/service/wg_text.h"

namespace vpn::quick {
namespace {

void append_line(control::SecretText& out, std::string_view key, std::string_view value) {
  out.append(key).append(" = ").append(value).append("\n");
}

/// What wg-quick alone reads.
void append_own_part(control::SecretText& out, const WgQuickFile& file, const std::vector<IpPrefix>& addresses) {
  for (const IpPrefix& address : addresses) append_line(out, "Address", to_string(address));
  for (const IpAddress& server : file.dns_servers) append_line(out, "DNS", to_string(server));
  for (const std::string& domain : file.dns_search) append_line(out, "DNS", domain);
  if (file.mtu_bytes) append_line(out, "MTU", std::to_string(*file.mtu_bytes));
  if (file.table.kind == RoutingTable::Kind::kOff) append_line(out, "Table", "off");
  if (file.table.kind == RoutingTable::Kind::kNumber) append_line(out, "Table", std::to_string(file.table.number));
  append_line(out, "SaveConfig", "true");
  for (const Hook& hook : file.hooks) append_line(out, hook.key, hook.command);
}

}  // namespace

control::SecretText saved_text(const WgQuickFile& file, tunnel::TunnelStatus status,
                               const std::vector<IpPrefix>& addresses) {
  constexpr std::string_view kHeader = "[Interface]\n";
  // A mark that `up` chose is chosen anew.
  if (file.fwmark == 0) status.fwmark = 0;
  control::SecretText wireguard;
  control::WgText stock(control::WgFormat::kShowconf, std::move(status), WallTime());
  while (stock.append_next(wireguard)) continue;
  control::SecretText text;
  text.append(kHeader);
  append_own_part(text, file, addresses);
  text.append(std::string_view(wireguard.data(), wireguard.size()).substr(kHeader.size()));
  return text;
}

}  // namespace vpn::quick
