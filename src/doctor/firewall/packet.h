// A packet of ours that other people's rules judge, as far as it can be told beforehand. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/ip.h"
#include "doctor/firewall/partial_bytes.h"

namespace vpn::doctor::firewall {

/// The bits of conntrack's state, as rules ask for them (NF_CT_STATE_BIT).
constexpr std::uint32_t kStateEstablished = 1u << 1;
constexpr std::uint32_t kStateNew = 1u << 3;

struct Packet {
  IpFamily family = IpFamily::kV4;
  bool to_this_machine = false;  ///< passes the hook "input", else "forward"
  std::string in = {};           ///< interface it came by
  std::string out = {};          ///< empty: none, it is for this machine
  std::uint8_t protocol = 0;     ///< IPPROTO_TCP, IPPROTO_UDP
  PartialBytes network = {};     ///< its IP header
  PartialBytes transport = {};   ///< its TCP or UDP header
  std::uint32_t state = kStateNew;

  std::optional<IpAddress> source() const;
  std::optional<IpAddress> destination() const;
};

/// A client opens a TCP connection to somewhere at the site.
Packet from_client(const IpAddress& client, const std::string& vpn_interface, const std::string& outside_interface);
/// The site's answer to it.
Packet to_client(const IpAddress& client, const std::string& vpn_interface, const std::string& outside_interface);
/// A client calls the gateway from outside.
Packet to_gateway(IpFamily family, const std::string& outside_interface, std::uint16_t udp_port);

}  // namespace vpn::doctor::firewall
