#include "host/linux_host.h"

#include <net/if.h>

#include <utility>

#include "host/detect_address.h"
#include "host/forwarding.h"
#include "host/link.h"
#include "host/nftables.h"
#include "host/rules.h"

namespace vpn::host {

Status LinuxHost::configure_link(const LinkConfig& config) {
  return host::configure_link(config);
}

Status LinuxHost::enable_forwarding(const LinkConfig& config) {
  for (const IpPrefix& own : config.addresses) {
    Status enabled = own.address.is_v4() ? enable_ipv4_forwarding() : enable_ipv6_forwarding(config.interface_name);
    if (!enabled) return enabled;
  }
  return {};
}

Status LinuxHost::check_link(const LinkConfig& config) {
  if (Status link = host::check_link(config); !link) return link;
  for (const IpPrefix& own : config.addresses) {
    Status enabled = own.address.is_v4() ? check_ipv4_forwarding() : check_ipv6_forwarding();
    if (!enabled) return enabled;
  }
  return {};
}

Status LinuxHost::apply_rules(const RulesConfig& config) {
  RulesConfig ours = config;
  std::erase_if(ours.earlier_interfaces, [](const std::string& name) { return ::if_nametoindex(name.c_str()) != 0; });
  const auto text = apply_text(ours);
  if (!text) return fail(text.error());
  if (const auto output = run_nftables(*text); !output) {
    Error error = output.error();
    if (error.code == ErrorCode::kIo) {
      error.message +=
          "; the rules need the kernel's nft_chain_nat, nft_masq, nft_rt and nft_ct, which `modprobe` loads on the "
          "host";
    }
    return fail(std::move(error));
  }
  ruled_interface_ = config.interface_name;
  standing_rules_ = list_rules().value_or("");  // gone again already: they do not stand
  return {};
}

Result<bool> LinuxHost::rules_stand() {
  const auto present = list_rules();
  if (!present) return fail(present.error());
  return !present->empty() && *present == standing_rules_;
}

Result<std::string> LinuxHost::list_rules() const {
  const std::string table = table_name(ruled_interface_);
  const auto tables = run_nftables("list tables inet\n");
  if (!tables) return fail(tables.error());
  if (("\n" + *tables).find("\ntable inet " + table + "\n") == std::string::npos) return "";
  return run_nftables("list table inet " + table + "\n");
}

Status LinuxHost::remove_rules() {
  if (ruled_interface_.empty()) return {};
  const auto text = remove_text(ruled_interface_);
  if (!text) return fail(text.error());
  if (const auto output = run_nftables(*text); !output) return fail(output.error());
  ruled_interface_.clear();
  return {};
}

Result<IpAddress> LinuxHost::detect_address() {
  return host::detect_address();
}

}  // namespace vpn::host
