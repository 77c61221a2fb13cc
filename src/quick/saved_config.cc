#include "quick/saved_config.h"

#include <utility>

#include "cli/small_file.h"
#include "control/service/wg_text.h"
#include "host/interface_addresses.h"
#include "quick/config_file.h"
#include "quick/interface.h"

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

std::vector<IpPrefix> addresses_of(const std::string& interface_name) {
  std::vector<IpPrefix> addresses;
  const auto present = host::interface_addresses();
  if (!present) return addresses;
  for (const host::InterfaceAddress& entry : *present) {
    const bool kernels_own = entry.prefix.address.is_v6() && host::is_link_local(entry.prefix.address);
    if (entry.interface_name == interface_name && !kernels_own) addresses.push_back(entry.prefix);
  }
  return addresses;
}

Status save(const Record& record, const WgQuickFile& file) {
  auto status = read_interface(record);
  if (!status) return fail(status.error());
  const control::SecretText text = saved_text(file, *std::move(status), addresses_of(record.interface_name));
  auto saved = cli::WholeFile::create(record.config_file, cli::WholeFile::Existing::kReplace);
  if (!saved) return fail(saved.error());
  if (Status written = saved->write({text.data(), text.size()}); !written) return written;
  return saved->publish();
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

Status save_if_wanted(const Record& record, const std::function<void(const std::string&)>& note) {
  const auto file = read({record.config_file, record.interface_name});
  if (!file) {
    // Gone, or edited since: that may have been to take SaveConfig out of it.
    note("the file that it was made from cannot be read now, so nothing is saved: " + file.error().message);
    return {};
  }
  if (!file->save_config || !is_there(record)) return {};
  Status saved = save(record, *file);
  if (!saved) saved.error().message = "SaveConfig: not saved: " + saved.error().message;
  return saved;
}

}  // namespace vpn::quick
