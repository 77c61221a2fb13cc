// What the gateway asks of the machine it runs on: addresses on the link, forwarding, NAT. No shell: rtnetlink, /proc
// and libnftables.
//
// One thread (the one that starts and stops the program).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/ip.h"

namespace vpn::host {

struct LinkConfig {
  std::string interface_name;
  std::vector<IpPrefix> addresses;  ///< the gateway's own, with the subnet's length: 192.168.2.1/24, fd00:2::1/64
  int mtu_bytes = 1420;
};

/// What clients reach, and how they leave (docs/access.md).
struct RulesConfig {
  std::string interface_name;
  /// The gateway's own in the VPN, with the subnet's length: 192.168.2.1/24. One of a family at most; of a family that
  /// has none, clients send nothing.
  std::vector<IpPrefix> addresses;
  std::string allowed_ips;            ///< PEER_ALLOWED_IPS, comma-separated: where clients send to, and nowhere else
  std::uint16_t closed_tcp_port = 0;  ///< of this machine's own, closed to clients whatever is allowed; 0: none
  bool masquerade = true;             ///< what comes from the VPN and leaves by any other interface
  /// Those of our former lives whose table may still stand. One whose link exists is somebody else's by now and kept.
  std::vector<std::string> earlier_interfaces = {};
};

class Host {
 public:
  virtual ~Host() = default;

  /// Sets MTU and addresses and brings the link up; the connected route comes with the address. What is already so
  /// stays, so it may be called on a running interface.
  virtual Status configure_link(const LinkConfig& config) = 0;

  /// net.ipv4.ip_forward = 1, and net.ipv6.conf.all.forwarding = 1, where the link has an address of that family. When
  /// it is 1 already, a read-only /proc/sys is no error; when it is 0 and cannot be set, kPermissionDenied with the
  /// cure in the message. The machine's own IPv6 routes stay, those too that routers advertise.
  virtual Status enable_forwarding(const LinkConfig& config) = 0;

  /// Success while what configure_link() and enable_forwarding() set up is so; else what is not, with the cure.
  virtual Status check_link(const LinkConfig& config) = 0;

  /// Puts our one table in place, in one transaction: absent, present or left by a crash, afterwards it stands once,
  /// whole, and the tables of earlier interfaces are gone. Nobody else's rules are touched. Every packet meets either
  /// the rules that stood or these, so this may be called while packets flow.
  virtual Status apply_rules(const RulesConfig& config) = 0;
  /// Whether the rules stand as apply_rules() left them.
  virtual Result<bool> rules_stand() = 0;
  /// Removes our table; absent is no error.
  virtual Status remove_rules() = 0;

  /// The address this machine uses towards the Internet: what clients are told when SERVER_IP is not set. kUnavailable
  /// without a route.
  virtual Result<IpAddress> detect_address() = 0;
};

}  // namespace vpn::host
