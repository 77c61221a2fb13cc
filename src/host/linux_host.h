// The machine we run on, if it is a Linux one: host.h over rtnetlink, /proc/sys and libnftables.
//
// One thread, the one that starts and stops the program.
#pragma once

#include <string>

#include "host/host.h"

namespace vpn::host {

class LinuxHost final : public Host {
 public:
  Status configure_link(const LinkConfig& config) override;
  Status enable_forwarding(const LinkConfig& config) override;
  Status check_link(const LinkConfig& config) override;
  Status apply_rules(const RulesConfig& config) override;
  Result<bool> rules_stand() override;
  /// The table of the last apply_rules.
  Status remove_rules() override;
  Result<IpAddress> detect_address() override;

 private:
  /// Our table as nft lists it; empty when there is none.
  Result<std::string> list_rules() const;

  std::string ruled_interface_;  // whose table stands; empty: none of ours
  std::string standing_rules_;   // how nft lists it, every handle included
};

}  // namespace vpn::host
