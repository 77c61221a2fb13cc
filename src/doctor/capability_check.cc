#include "doctor/capability_check.h"

#include <linux/capability.h>
#include <unistd.h>

#include <string>

#include "doctor/proc.h"

namespace vpn::doctor {
namespace {

bool has(std::uint64_t capabilities, unsigned number) {
  return (capabilities >> number & 1) != 0;
}

}  // namespace

CapabilityFacts look_at_capabilities(const cli::Settings& settings, int gateway_process) {
  CapabilityFacts facts{.effective = capabilities_of(gateway_process != 0 ? gateway_process : ::getpid()),
                        .as_root = ::geteuid() == 0};
  const std::uint64_t first_free = read_number("/proc/sys/net/ipv4/ip_unprivileged_port_start").value_or(1024);
  for (const std::uint16_t port : {settings.api_port, settings.wg_port}) {
    if (port < first_free) facts.low_port = port;
  }
  return facts;
}

Finding judge_capabilities(const CapabilityFacts& facts) {
  const std::string name = "capabilities";
  if (!facts.effective) return {name, State::kNote, "could not be looked at", command("sudo vpn-enabler doctor")};
  const auto missing = [&](const std::string& capability, const std::string& what) -> Finding {
    const std::string message = "CAP_" + capability + " is missing, and without it " + what;
    if (!facts.as_root) return {name, State::kNote, message, command("sudo vpn-enabler doctor")};
    return {name,
            State::kBroken,
            message,
            {Cure::Kind::kAdvice, "start it as root, or with AmbientCapabilities=CAP_" + capability + " in its unit",
             "`--cap-add " + capability + "` with docker run, securityContext.capabilities.add in Kubernetes"}};
  };
  if (!has(*facts.effective, CAP_NET_ADMIN)) {
    return missing("NET_ADMIN", "there is no interface and no firewall rule of ours");
  }
  const std::string port = std::to_string(facts.low_port);
  if (facts.low_port == 0) return {name, State::kOk, "NET_ADMIN is there"};
  if (!has(*facts.effective, CAP_NET_BIND_SERVICE)) {
    return missing("NET_BIND_SERVICE", "nobody listens on port " + port);
  }
  return {name, State::kOk, "NET_ADMIN is there, and NET_BIND_SERVICE for port " + port};
}

}  // namespace vpn::doctor
