// IP addresses, endpoints and prefixes as plain values; text forms as RFC 4291, RFC 5952 and the wg tools write them.
#pragma once

#include <sys/socket.h>

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace vpn {

enum class IpFamily : std::uint8_t { kNone = 0, kV4 = 4, kV6 = 6 };

/// An IPv4 or IPv6 address, or none. IPv4 lies in the first 4 of the 16 bytes, network order; the rest is zero.
class IpAddress {
 public:
  constexpr IpAddress() = default;
  static IpAddress v4(std::uint32_t host_order);
  static IpAddress v4_from_bytes(const std::uint8_t* four_bytes);
  static IpAddress v6_from_bytes(const std::uint8_t* sixteen_bytes);
  /// "192.0.2.1" or "2001:db8::1"; no zone, no brackets, no port.
  static std::optional<IpAddress> parse(std::string_view text);

  IpFamily family() const { return family_; }
  bool is_v4() const { return family_ == IpFamily::kV4; }
  bool is_v6() const { return family_ == IpFamily::kV6; }
  explicit operator bool() const { return family_ != IpFamily::kNone; }
  /// 4, 16 or 0 bytes in network order.
  ByteView bytes() const { return {bytes_.data(), size()}; }
  /// 32, 128 or 0.
  unsigned bit_count() const { return static_cast<unsigned>(size()) * 8; }
  /// IPv4 only.
  std::uint32_t v4_host_order() const { return load_be32(bytes_.data()); }

  auto operator<=>(const IpAddress&) const = default;

 private:
  std::size_t size() const { return family_ == IpFamily::kV4 ? 4 : family_ == IpFamily::kV6 ? 16 : 0; }

  std::array<std::uint8_t, 16> bytes_{};
  IpFamily family_ = IpFamily::kNone;
};

std::string to_string(const IpAddress& address);

/// An address and a UDP or TCP port; for a link-local IPv6 address also the interface's index.
struct Endpoint {
  IpAddress address;
  std::uint16_t port = 0;
  std::uint32_t scope_id = 0;

  /// "192.0.2.1:51820", "[2001:db8::1]:51820", "[fe80::1%2]:51820" (a zone is a number or an interface's name). No host
  /// names.
  static std::optional<Endpoint> parse(std::string_view text);
  static Endpoint from_sockaddr(const sockaddr_storage& socket_address);
  /// The length to hand to the system call with it.
  socklen_t to_sockaddr(sockaddr_storage& socket_address) const;

  explicit operator bool() const { return static_cast<bool>(address); }
  auto operator<=>(const Endpoint&) const = default;
};

/// As the wg tools write it.
std::string to_string(const Endpoint& endpoint);

/// An address and the number of its leading bits that count. Bits behind them are kept as written.
struct IpPrefix {
  IpAddress address;
  std::uint8_t length = 0;

  /// "192.0.2.0/24", "2001:db8::/32"; without a length, the whole address.
  static std::optional<IpPrefix> parse(std::string_view text);
  /// The same with the bits behind the length cleared.
  IpPrefix masked() const;
  bool contains(const IpAddress& other) const;
  auto operator<=>(const IpPrefix&) const = default;
};

std::string to_string(const IpPrefix& prefix);

}  // namespace vpn

template <>
struct std::hash<vpn::IpAddress> {
  std::size_t operator()(const vpn::IpAddress& address) const noexcept {
    return std::hash<std::string_view>{}(
        {reinterpret_cast<const char*>(address.bytes().data()), address.bytes().size()});
  }
};
