#include "quick/saved_config.h"

#include <utility>

#include "cli/small_file.h"
#include "host/interface_addresses.h"
#include "quick/config_file.h"
#include "quick/interface.h"
#include "quick/saved_text.h"

namespace vpn::quick {
namespace {

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
