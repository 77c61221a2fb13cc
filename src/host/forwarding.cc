#include "host/forwarding.h"

#include <filesystem>
#include <string_view>
#include <system_error>

#include "host/sysctl.h"

namespace vpn::host {
namespace {

std::string cure_of(std::string_view family, const std::string& setting) {
  return "without " + std::string(family) + " forwarding no client reaches the site. Set it from outside: `sysctl -w " +
         setting + "` on a host, `--sysctl " + setting +
         "` with docker run, securityContext.sysctls of the pod in Kubernetes";
}

// Where it forwards, the kernel heeds no router and forgets the default routes that it was told, unless accept_ra is 2
// (rt6_purge_dflt_routers; Documentation/networking/ip-sysctl.rst). So what is 1 now becomes 2 first: what was heeded
// goes on being heeded, and the gateway keeps its own way out.
Status keep_heeding_routers(const std::string& tunnel, const std::string& directory, const std::string& cure) {
  std::error_code error;
  std::filesystem::directory_iterator entry(directory, error);
  for (const std::filesystem::directory_iterator end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename();
    const std::string path = entry->path();
    if (name == "all" || name == tunnel) continue;
    if (!switch_is(path + "/accept_ra", '1') || !switch_is(path + "/forwarding", '0')) continue;
    Status set = set_switch(path + "/accept_ra", '2', cure);
    std::error_code ignored;
    if (!set && std::filesystem::exists(path, ignored)) return set;  // else the interface is gone meanwhile
  }
  if (error) return fail(system_error("cannot list " + directory, error.value()));
  return {};
}

}  // namespace

Status enable_ipv4_forwarding(const std::string& path) {
  if (switch_is(path, '1')) return {};
  return set_switch(path, '1', cure_of("IPv4", "net.ipv4.ip_forward=1"));
}

Status enable_ipv6_forwarding(const std::string& tunnel, const std::string& directory) {
  const std::string path = directory + "/all/forwarding";
  if (switch_is(path, '1')) return {};
  if (std::error_code error; !std::filesystem::exists(directory, error)) {
    return fail(
        ErrorCode::kUnsupported,
        "this kernel has no IPv6, which WG_SUBNET6 asks for: boot it without ipv6.disable=1, or unset WG_SUBNET6",
        "WG_SUBNET6");
  }
  const std::string cure = cure_of("IPv6", "net.ipv6.conf.all.forwarding=1");
  if (Status kept = keep_heeding_routers(tunnel, directory, cure); !kept) return kept;
  return set_switch(path, '1', cure);
}

Status check_ipv4_forwarding(const std::string& path) {
  if (switch_is(path, '1')) return {};
  return fail(ErrorCode::kUnavailable, "net.ipv4.ip_forward is not 1; " + cure_of("IPv4", "net.ipv4.ip_forward=1"));
}

Status check_ipv6_forwarding(const std::string& directory) {
  if (switch_is(directory + "/all/forwarding", '1')) return {};
  return fail(ErrorCode::kUnavailable,
              "net.ipv6.conf.all.forwarding is not 1; " + cure_of("IPv6", "net.ipv6.conf.all.forwarding=1"));
}

}  // namespace vpn::host
