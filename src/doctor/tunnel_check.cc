#include "doctor/tunnel_check.h"

#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "base/unique_fd.h"
#include "netlink/attributes.h"
#include "netlink/socket.h"
#include "tunnel/kernel/kernel_link.h"

namespace vpn::doctor {
namespace {

constexpr const char* kTunPath = "/dev/net/tun";
constexpr unsigned kTunMajor = 10;
constexpr unsigned kTunMinor = 200;

/// To ask the kernel by generic netlink would load the module, so the files are asked.
KernelWireGuard look_at_kernel() {
  if (::access("/sys/module/wireguard", F_OK) == 0) return KernelWireGuard::kPresent;
  utsname system{};
  if (::uname(&system) != 0) return KernelWireGuard::kNone;
  const std::string directory = std::string("/lib/modules/") + system.release;
  for (const char* list : {"/modules.builtin", "/modules.dep"}) {
    std::ifstream lines(directory + list);
    for (std::string line; std::getline(lines, line);) {
      // A line of modules.dep goes on with what the module needs.
      if (line.substr(0, line.find(':')).find("/wireguard.ko") != std::string::npos) return KernelWireGuard::kLoadable;
    }
  }
  return KernelWireGuard::kNone;
}

void look_at_link(TunnelFacts& facts) {
  auto socket = netlink::Socket::open(NETLINK_ROUTE);
  if (!socket) return;
  netlink::Request request(RTM_GETLINK, 0);
  request.put_fixed_part<ifinfomsg>();
  request.put_text(IFLA_IFNAME, facts.interface_name);
  (void)socket->transact(request, [&facts](const nlmsghdr& message) {
    facts.link_kind = "other";
    std::uint32_t group = 0;
    netlink::for_each_attribute(message, sizeof(ifinfomsg), [&](const nlattr& attribute) {
      if (netlink::type_of(attribute) == IFLA_GROUP) netlink::read_into(group, attribute);
      if (netlink::type_of(attribute) != IFLA_LINKINFO) return;
      netlink::for_each_attribute(attribute, [&facts](const nlattr& info) {
        if (netlink::type_of(info) == IFLA_INFO_KIND) facts.link_kind = netlink::text_of(info);
      });
    });
    facts.link_is_ours = group == tunnel::kOurLinkGroup;
    return true;
  });
}

std::string why_by(const TunnelFacts& facts) {
  if (facts.by_kernel()) {
    if (facts.choice == cli::TunnelChoice::kKernel) return "TUNNEL=kernel";
    return facts.kernel == KernelWireGuard::kLoadable ? "this kernel has it as a module" : "this kernel has it";
  }
  if (facts.choice == cli::TunnelChoice::kUserspace) return "TUNNEL=userspace";
  return facts.kernel == KernelWireGuard::kNone ? "this kernel has no WireGuard" : "this kernel's could not be used";
}

}  // namespace

bool TunnelFacts::by_kernel() const {
  if (serves && !link_kind.empty()) return link_kind == "wireguard";
  if (choice == cli::TunnelChoice::kUserspace) return false;
  return choice == cli::TunnelChoice::kKernel || kernel != KernelWireGuard::kNone;
}

TunnelFacts look_at_tunnel(const cli::Settings& settings, bool serves) {
  TunnelFacts facts{
      .choice = settings.tunnel, .kernel = look_at_kernel(), .serves = serves, .interface_name = settings.wg_interface};
  look_at_link(facts);
  return facts;
}

TunFacts look_at_tun(bool needed) {
  TunFacts facts{.needed = needed, .as_root = ::geteuid() == 0};
  struct stat status{};
  if (::stat(kTunPath, &status) != 0) {
    facts.look_error = errno;
    return facts;
  }
  facts.is_tun = S_ISCHR(status.st_mode) && status.st_rdev == makedev(kTunMajor, kTunMinor);
  // Opened alone it makes no interface.
  const UniqueFd device(facts.is_tun ? ::open(kTunPath, O_RDWR | O_CLOEXEC) : -1);
  if (facts.is_tun && !device) facts.open_error = errno;
  return facts;
}

Finding judge_tunnel(const TunnelFacts& facts) {
  const std::string name = "tunnel";
  const std::string& interface = facts.interface_name;
  if (facts.serves && facts.link_kind.empty()) {
    return {name, State::kBroken, "the gateway serves, but its interface " + interface + " is gone",
            command("systemctl restart vpn-enabler")};
  }
  if (!facts.serves && !facts.link_kind.empty() && !facts.link_is_ours) {
    return {name, State::kBroken, "there is an interface " + interface + " already, and it is not ours",
            setting("WG_INTERFACE=wg1")};
  }
  if (facts.choice == cli::TunnelChoice::kKernel && facts.kernel == KernelWireGuard::kNone && !facts.serves) {
    return {name, State::kBroken,
            "TUNNEL=kernel, but this kernel has no WireGuard: no such module is loaded or on the disk",
            setting("TUNNEL=auto")};
  }
  const std::string who = facts.by_kernel() ? "the kernel's WireGuard" : "our own engine";
  return {name, State::kOk, who + (facts.serves ? " carries" : " will carry") + " the packets: " + why_by(facts)};
}

Finding judge_tun(const TunFacts& facts) {
  const std::string name = "tun";
  const std::string path = kTunPath;
  const std::string device =
      "`--device /dev/net/tun` with docker run, a hostPath volume of type CharDevice in Kubernetes";
  if (!facts.needed) return {name, State::kOk, path + " is not needed"};
  if (facts.look_error != 0 && facts.look_error != ENOENT) {
    return {name, State::kNote, path + " could not be looked at: " + std::strerror(facts.look_error),
            command("sudo vpn-enabler doctor")};
  }
  const std::string make = "mkdir -p /dev/net && mknod -m 0600 /dev/net/tun c 10 200";
  if (facts.look_error == ENOENT) {
    return {name, State::kBroken, path + " is missing, and our engine needs it", command(make, device)};
  }
  if (!facts.is_tun) {
    return {name, State::kBroken, path + " is not the TUN device", command("rm -r /dev/net/tun && " + make, device)};
  }
  const std::string fault = path + " cannot be opened: " + std::strerror(facts.open_error);
  switch (facts.open_error) {
    case 0:
      return {name, State::kOk, path + " is there and can be opened"};
    case ENODEV:
    case ENXIO:
      return {name, State::kBroken, fault, command("modprobe tun")};
    default:
      if (!facts.as_root) return {name, State::kNote, fault, command("sudo vpn-enabler doctor")};
      return {name, State::kBroken, fault, {Cure::Kind::kAdvice, "let this process open it", device}};
  }
}

}  // namespace vpn::doctor
