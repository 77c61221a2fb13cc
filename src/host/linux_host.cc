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

Status LinuxHost::enable_forwarding() {
  return enable_ipv4_forwarding();
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
  return {};
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
