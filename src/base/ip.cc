#include "base/ip.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>

#include <algorithm>

#include "base/check.h"
#include "base/encoding.h"

namespace vpn {

IpAddress IpAddress::v4(std::uint32_t host_order) {
  std::array<std::uint8_t, 4> bytes{};
  store_be32(bytes.data(), host_order);
  return v4_from_bytes(bytes.data());
}

IpAddress IpAddress::v4_from_bytes(const std::uint8_t* four_bytes) {
  IpAddress address;
  address.family_ = IpFamily::kV4;
  std::memcpy(address.bytes_.data(), four_bytes, 4);
  return address;
}

IpAddress IpAddress::v6_from_bytes(const std::uint8_t* sixteen_bytes) {
  IpAddress address;
  address.family_ = IpFamily::kV6;
  std::memcpy(address.bytes_.data(), sixteen_bytes, 16);
  return address;
}

std::optional<IpAddress> IpAddress::parse(std::string_view text) {
  std::array<char, INET6_ADDRSTRLEN> terminated{};
  if (text.empty() || text.size() >= terminated.size() || text.find('\0') != text.npos) return std::nullopt;
  std::copy(text.begin(), text.end(), terminated.begin());
  std::array<std::uint8_t, 16> bytes{};
  if (inet_pton(AF_INET, terminated.data(), bytes.data()) == 1) return v4_from_bytes(bytes.data());
  if (inet_pton(AF_INET6, terminated.data(), bytes.data()) == 1) return v6_from_bytes(bytes.data());
  return std::nullopt;
}

std::string to_string(const IpAddress& address) {
  if (!address) return "(none)";
  std::array<char, INET6_ADDRSTRLEN> text{};
  inet_ntop(address.is_v4() ? AF_INET : AF_INET6, address.bytes().data(), text.data(), text.size());
  return text.data();
}

std::optional<Endpoint> Endpoint::parse(std::string_view text) {
  const std::size_t colon = text.rfind(':');
  if (colon == text.npos) return std::nullopt;
  std::string_view host = text.substr(0, colon);
  const auto port = parse_decimal(text.substr(colon + 1), 65535);
  if (!port) return std::nullopt;

  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  std::uint32_t scope_id = 0;
  if (const std::size_t percent = host.find('%'); bracketed && percent != host.npos) {
    const std::string zone(host.substr(percent + 1));
    const auto number = parse_decimal(zone, UINT32_MAX);
    scope_id = number ? static_cast<std::uint32_t>(*number) : if_nametoindex(zone.c_str());
    if (scope_id == 0) return std::nullopt;
    host = host.substr(0, percent);
  }
  const auto address = IpAddress::parse(host);
  if (!address || address->is_v6() != bracketed) return std::nullopt;
  return Endpoint{*address, static_cast<std::uint16_t>(*port), scope_id};
}

Endpoint Endpoint::from_sockaddr(const sockaddr_storage& socket_address) {
  if (socket_address.ss_family == AF_INET) {
    sockaddr_in v4{};
    std::memcpy(&v4, &socket_address, sizeof v4);
    return {IpAddress::v4(ntohl(v4.sin_addr.s_addr)), ntohs(v4.sin_port), 0};
  }
  if (socket_address.ss_family == AF_INET6) {
    sockaddr_in6 v6{};
    std::memcpy(&v6, &socket_address, sizeof v6);
    return {IpAddress::v6_from_bytes(v6.sin6_addr.s6_addr), ntohs(v6.sin6_port), v6.sin6_scope_id};
  }
  return {};
}

socklen_t Endpoint::to_sockaddr(sockaddr_storage& socket_address) const {
  CHECK(address);
  std::memset(&socket_address, 0, sizeof socket_address);
  if (address.is_v4()) {
    sockaddr_in v4{};
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, address.bytes().data(), 4);
    std::memcpy(&socket_address, &v4, sizeof v4);
    return sizeof v4;
  }
  sockaddr_in6 v6{};
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(port);
  v6.sin6_scope_id = scope_id;
  std::memcpy(&v6.sin6_addr, address.bytes().data(), 16);
  std::memcpy(&socket_address, &v6, sizeof v6);
  return sizeof v6;
}

std::string to_string(const Endpoint& endpoint) {
  if (!endpoint) return "(none)";
  const std::string port = std::to_string(endpoint.port);
  if (endpoint.address.is_v4()) return to_string(endpoint.address) + ":" + port;
  const std::string zone = endpoint.scope_id != 0 ? "%" + std::to_string(endpoint.scope_id) : "";
  return "[" + to_string(endpoint.address) + zone + "]:" + port;
}

std::optional<IpPrefix> IpPrefix::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  const auto address = IpAddress::parse(text.substr(0, slash));
  if (!address) return std::nullopt;
  if (slash == text.npos) return IpPrefix{*address, static_cast<std::uint8_t>(address->bit_count())};
  const auto length = parse_decimal(text.substr(slash + 1), address->bit_count());
  if (!length) return std::nullopt;
  return IpPrefix{*address, static_cast<std::uint8_t>(*length)};
}

IpPrefix IpPrefix::masked() const {
  std::array<std::uint8_t, 16> bytes{};
  std::memcpy(bytes.data(), address.bytes().data(), address.bytes().size());
  for (unsigned bit = length; bit < address.bit_count(); ++bit) {
    bytes[bit / 8] = static_cast<std::uint8_t>(bytes[bit / 8] & ~(0x80u >> (bit % 8)));
  }
  return {address.is_v4() ? IpAddress::v4_from_bytes(bytes.data()) : IpAddress::v6_from_bytes(bytes.data()), length};
}

bool IpPrefix::contains(const IpAddress& other) const {
  if (other.family() != address.family()) return false;
  return IpPrefix{other, length}.masked().address == masked().address;
}

std::string to_string(const IpPrefix& prefix) {
  return to_string(prefix.address) + "/" + std::to_string(prefix.length);
}

}  // namespace vpn
