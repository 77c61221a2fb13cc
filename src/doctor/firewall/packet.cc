#include "doctor/firewall/packet.h"

#include <netinet/in.h>

#include <array>

namespace vpn::doctor::firewall {
namespace {

// RFC 791 section 3.1, RFC 8200 section 3, RFC 9293 section 3.1, RFC 768.
struct Header {
  std::uint8_t first_byte;  // version, and of IPv4 the header's length
  std::size_t protocol, source, destination;
};
constexpr Header kV4{0x45, 9, 12, 16};
constexpr Header kV6{0x60, 6, 8, 24};
constexpr std::size_t kDestinationPort = 2;
constexpr std::size_t kTcpFlags = 13;
constexpr std::uint8_t kSyn = 0x02;
constexpr std::uint8_t kAck = 0x10;

const Header& header_of(IpFamily family) {
  return family == IpFamily::kV6 ? kV6 : kV4;
}

void set_byte(PartialBytes& bytes, std::size_t offset, std::uint8_t value) {
  bytes.set(offset, {&value, 1});
}

Packet packet_of(IpFamily family, std::uint8_t protocol) {
  Packet packet{.family = family, .protocol = protocol};
  set_byte(packet.network, 0, header_of(family).first_byte);
  set_byte(packet.network, header_of(family).protocol, protocol);
  return packet;
}

std::optional<IpAddress> address_at(const Packet& packet, std::size_t offset) {
  const bool v4 = packet.family == IpFamily::kV4;
  const auto bytes = packet.network.get(offset, v4 ? 4 : 16);
  if (!bytes) return std::nullopt;
  return v4 ? IpAddress::v4_from_bytes(bytes->data()) : IpAddress::v6_from_bytes(bytes->data());
}

}  // namespace

std::optional<IpAddress> Packet::source() const {
  return address_at(*this, header_of(family).source);
}

std::optional<IpAddress> Packet::destination() const {
  return address_at(*this, header_of(family).destination);
}

Packet from_client(const IpAddress& client, const std::string& vpn_interface, const std::string& outside_interface) {
  Packet packet = packet_of(client.family(), IPPROTO_TCP);
  packet.in = vpn_interface;
  packet.out = outside_interface;
  packet.network.set(header_of(packet.family).source, client.bytes());
  set_byte(packet.transport, kTcpFlags, kSyn);
  return packet;
}

Packet to_client(const IpAddress& client, const std::string& vpn_interface, const std::string& outside_interface) {
  Packet packet = packet_of(client.family(), IPPROTO_TCP);
  packet.in = outside_interface;
  packet.out = vpn_interface;
  packet.network.set(header_of(packet.family).destination, client.bytes());
  set_byte(packet.transport, kTcpFlags, kSyn | kAck);
  packet.state = kStateEstablished;
  return packet;
}

Packet to_gateway(IpFamily family, const std::string& outside_interface, std::uint16_t udp_port) {
  Packet packet = packet_of(family, IPPROTO_UDP);
  packet.to_this_machine = true;
  packet.in = outside_interface;
  std::array<std::uint8_t, 2> port{};
  store_be16(port.data(), udp_port);
  packet.transport.set(kDestinationPort, port);
  return packet;
}

}  // namespace vpn::doctor::firewall
