// For tests: a table of flows whose packets are odd in one thing each, which must all arrive as they were sent.
#pragma once

#include <functional>
#include <ostream>
#include <string>
#include <vector>

#include "engine/io/test_packets.h"

namespace vpn::engine::io::test {

struct OddFlow {
  std::string name;
  bool merges = false;  ///< its packets may be merged, and are
  PacketSpec spec = {};
  std::function<void(Bytes&)> change = {};  ///< of every packet

  /// Successive packets.
  std::vector<Bytes> packets(int count) const {
    std::vector<Bytes> packets;
    PacketSpec next = spec;
    for (int i = 0; i < count; ++i) {
      packets.push_back(make_packet(next));
      if (change) change(packets.back());
      next.sequence += static_cast<std::uint32_t>(next.payload_bytes);
      ++next.identification;
    }
    return packets;
  }
};

inline void PrintTo(const OddFlow& flow, std::ostream* out) {
  *out << flow.name;
}

inline void set_header_checksum(Bytes& packet) {
  set_ipv4_header_checksum(MutableBytes(packet).first(ip_bytes_of(packet)));
}

/// Between 10.0.0.1 and 10.0.0.2, and fd00::1 and fd00::2.
inline std::vector<OddFlow> odd_flows() {
  const PacketSpec tcp4, udp4{.protocol = kProtocolUdp}, tcp6{.source = "fd00::1", .destination = "fd00::2"},
      udp6{.source = "fd00::1", .destination = "fd00::2", .protocol = kProtocolUdp};
  const auto with = [](PacketSpec spec, const auto& set) {
    set(spec);
    return spec;
  };
  std::vector<OddFlow> flows;
  const struct {
    const char* name;
    const PacketSpec& spec;
  } kinds[] = {{"Tcp4", tcp4}, {"Udp4", udp4}, {"Tcp6", tcp6}, {"Udp6", udp6}};
  for (const auto& [kind, spec] : kinds) {
    const std::string name = kind;
    const bool v4 = spec.source == tcp4.source, tcp = spec.protocol == kProtocolTcp;
    flows.push_back({name + "Plain", true, spec});
    for (int ecn = 1; ecn < 4; ++ecn) {
      const auto mark = [ecn](PacketSpec& s) { s.traffic_class = static_cast<std::uint8_t>(0xb8 | ecn); };
      flows.push_back({name + "ExpeditedWithEcn" + std::to_string(ecn), true, with(spec, mark)});
    }
    flows.push_back({name + "Jumbo", true, with(spec, [](PacketSpec& s) { s.payload_bytes = 8900; })});
    const std::size_t headers = (v4 ? 20u : 40u) + (tcp ? 20 + spec.option_bytes : 8);
    const auto fill = [headers](PacketSpec& s) { s.payload_bytes = 65475 - headers; };  // the largest MTU
    flows.push_back({name + "Largest", false, with(spec, fill)});
    flows.push_back({name + "Empty", false, with(spec, [](PacketSpec& s) { s.payload_bytes = 0; })});
    flows.push_back({name + "OneByte", true, with(spec, [](PacketSpec& s) { s.payload_bytes = 1; })});
    flows.push_back({name + "WrongChecksum", false, spec, [](Bytes& p) { p.back() ^= 1; }});
    const std::size_t field = (v4 ? 20u : 40u) + (tcp ? kTcpChecksumOffset : kUdpChecksumOffset);
    flows.push_back({name + "NoChecksum", false, spec, [field](Bytes& p) { p[field] = p[field + 1] = 0; }});
    flows.push_back({name + "Extended", false, with(spec, [](PacketSpec& s) { s.extension_bytes = 8; })});
    if (v4) {
      flows.push_back({name + "WrongHeaderChecksum", false, spec, [](Bytes& p) { p[10] ^= 1; }});
      flows.push_back({name + "FirstFragment", false, spec, [](Bytes& p) { p[6] = 0x20, set_header_checksum(p); }});
      flows.push_back(
          {name + "LaterFragment", false, spec, [](Bytes& p) { p[6] = 0x20, p[7] = 9, set_header_checksum(p); }});
      flows.push_back(
          {name + "LastFragment", false, spec, [](Bytes& p) { p[6] = 0, p[7] = 9, set_header_checksum(p); }});
      flows.push_back({name + "MayBeFragmented", true, with(spec, [](PacketSpec& s) { s.dont_fragment = false; })});
    } else {
      for (const int extension : {0, 43, 44, 60, 135}) {
        const auto extend = [extension](PacketSpec& s) {
          s.extension_bytes = 8;
          s.extension = static_cast<std::uint8_t>(extension);
        };
        flows.push_back({name + "ExtensionHeader" + std::to_string(extension), false, with(spec, extend)});
      }
      flows.push_back({name + "FlowLabel", true, spec, [](Bytes& p) { p[2] = 0xab, p[3] = 0xcd; }});
    }
    if (tcp) {
      for (int bit = 0; bit < 8; ++bit) {
        const auto set = [bit](PacketSpec& s) { s.flags = static_cast<std::uint8_t>(kTcpAck | 1 << bit); };
        flows.push_back({name + "Flag" + std::to_string(bit), 1 << bit == kTcpAck, with(spec, set)});
      }
      flows.push_back({name + "NotAcknowledging", false, with(spec, [](PacketSpec& s) { s.flags = 0; })});
      flows.push_back({name + "AllOptions", true, with(spec, [](PacketSpec& s) { s.option_bytes = 40; })});
    } else {
      flows.push_back({name + "ShorterThanItsPacket", false, spec, [v4](Bytes& p) { p[v4 ? 25 : 45] -= 1; }});
    }
    flows.push_back({name + "OfAnotherProtocol", false, spec, [v4](Bytes& p) {
                       p[v4 ? 9 : 6] = 99;
                       if (v4) set_header_checksum(p);
                     }});
  }
  return flows;
}

}  // namespace vpn::engine::io::test
