#include "cli/setting_values.h"

#include <sys/un.h>

#include <algorithm>
#include <limits>
#include <vector>

#include "base/encoding.h"
#include "base/interface_name.h"
#include "base/text.h"
#include "control/model/network.h"
#include "engine/device.h"

namespace vpn::cli {
namespace {

constexpr std::size_t kMaxAllowedIpsBytes = 1024;
/// The smallest datagram that every IPv4 host takes (RFC 791), and the largest UDP payload less WireGuard's 32 bytes.
constexpr std::uint64_t kMinMtuBytes = 576;
constexpr std::uint64_t kMaxMtuBytes = 65'475;
/// Below it an interface has no IPv6 (RFC 8200 section 5).
constexpr std::uint64_t kMinIpv6MtuBytes = 1280;
constexpr std::uint8_t kMinSubnetLength = 8;
constexpr std::uint8_t kMaxSubnetLength = 30;
/// Long enough to lie on one side of each border of is_for_no_subnet, and room for 32 bits behind it.
constexpr std::uint8_t kMinSubnet6Length = 16;
constexpr std::uint8_t kMaxSubnet6Length = 96;

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/// What no host has as its address and no packet should come from: "this network" (RFC 1122 section 3.2.1.3), loopback,
/// multicast and the reserved rest above it (RFC 1112 section 4); in IPv6 ::/8, which holds loopback and embedded IPv4
/// addresses, what is link-local, and multicast (RFC 4291 section 2.4).
bool is_for_no_subnet(const IpAddress& address) {
  const ByteView bytes = address.bytes();
  if (address.is_v4()) return bytes[0] == 0 || bytes[0] == 127 || bytes[0] >= 224;
  return bytes[0] == 0 || bytes[0] == 0xff || (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80);
}

/// 224.0.0.0/4 and ff00::/8.
bool is_multicast(const IpAddress& address) {
  return address.is_v4() ? address.bytes()[0] >> 4 == 0xe : address.bytes()[0] == 0xff;
}

/// What nobody elsewhere can call: besides is_for_no_subnet(), where loopback passes for those who try things out, the
/// unspecified, multicast and link-local addresses of IPv6 (RFC 4291 section 2.4).
bool is_no_hosts(const IpAddress& address) {
  if (address.is_v4()) return is_for_no_subnet(address) && address.bytes()[0] != 127;
  const auto mapped = IpPrefix::parse("::ffff:0:0/96"), link_local = IpPrefix::parse("fe80::/10");
  const bool unspecified = std::ranges::all_of(address.bytes(), [](std::uint8_t byte) { return byte == 0; });
  return unspecified || is_multicast(address) || mapped->contains(address) || link_local->contains(address);
}

/// What stands between the commas, without the spaces around it.
std::vector<std::string_view> list_items(std::string_view list) {
  std::vector<std::string_view> items = split_at_commas(list);
  for (std::string_view& item : items) {
    while (item.starts_with(' ')) item.remove_prefix(1);
    while (item.ends_with(' ')) item.remove_suffix(1);
  }
  return items;
}

/// RFC 1123 section 2.1, with the lengths of RFC 1035 section 2.3.4.
bool is_host_name(std::string_view name) {
  if (name.ends_with('.')) name.remove_suffix(1);
  if (name.empty() || name.size() > 253) return false;
  // Digits and dots alone are a mistyped address: a top-level domain is never a number.
  if (std::ranges::all_of(name.substr(name.rfind('.') + 1), [](char c) { return c >= '0' && c <= '9'; })) return false;
  while (true) {
    const std::size_t dot = name.find('.');
    const std::string_view label = name.substr(0, dot);
    if (label.empty() || label.size() > 63 || label.starts_with('-') || label.ends_with('-')) return false;
    if (!std::ranges::all_of(label, [](char c) { return is_letter_or_digit(c) || c == '-'; })) return false;
    if (dot == std::string_view::npos) return true;
    name.remove_prefix(dot + 1);
  }
}

constexpr std::size_t kMaxShownBytes = 80;

}  // namespace

Error bad_value(std::string_view name, std::string_view value, const Fault& fault, std::string_view example) {
  const std::string assigned = std::string(name) + "=";
  return {ErrorCode::kInvalidArgument,
          assigned + '"' + shown(value, kMaxShownBytes) + "\" " + fault + "; for example " + assigned +
              std::string(example),
          std::string(name)};
}

Fault parse_port(std::string_view value, std::uint16_t& out) {
  const auto port = parse_decimal(value, std::numeric_limits<std::uint16_t>::max());
  if (!port || *port == 0) return "is not a port number from 1 to 65535";
  out = static_cast<std::uint16_t>(*port);
  return {};
}

Fault parse_subnet(std::string_view value, IpPrefix& out) {
  const auto prefix = IpPrefix::parse(value);
  if (!prefix || !prefix->address.is_v4()) return "is not an IPv4 address with a subnet length";
  if (prefix->length < kMinSubnetLength || prefix->length > kMaxSubnetLength)
    return "needs a subnet length from 8 to 30";
  // A subnet of this length lies on one side of each border.
  if (is_for_no_subnet(prefix->address))
    return "is in 0.0.0.0/8, 127.0.0.0/8 or 224.0.0.0/3, where no client can have an address";
  const std::uint32_t host_mask = 0xffff'ffffu >> prefix->length;
  const std::uint32_t host = prefix->address.v4_host_order() & host_mask;
  if (host == 0) return "is the subnet's network address, and the gateway needs one of its own";
  if (host == host_mask) return "is the subnet's broadcast address, and the gateway needs one of its own";
  out = *prefix;
  return {};
}

Fault parse_subnet6(std::string_view value, const IpPrefix& subnet, std::optional<IpPrefix>& out) {
  const auto prefix = IpPrefix::parse(value);
  if (!prefix) return "is not an IPv6 address with a prefix length";
  const IpAddress& own = prefix->address;
  if (own.is_v4()) return "is an IPv4 address, which WG_SUBNET is for";
  if (prefix->length < kMinSubnet6Length || prefix->length > kMaxSubnet6Length)
    return "needs a prefix length from 16 to 96, so that clients' IPv4 addresses fit behind it";
  if (is_for_no_subnet(own)) return "is in ::/8, fe80::/10 or ff00::/8, where no client can have an address";
  if (own == prefix->masked().address) return "is the subnet's network address, and the gateway needs one of its own";
  const IpAddress last_32_bits = IpAddress::v4_from_bytes(own.bytes().data() + 12);
  const bool could_be_a_clients = subnet.contains(last_32_bits) && last_32_bits != subnet.address;
  if (could_be_a_clients && own == control::embed_v4(*prefix, last_32_bits))
    return "ends in " + to_string(last_32_bits) + ", an address of WG_SUBNET that may be a client's";
  out = *prefix;
  return {};
}

Fault parse_allowed_ips(std::string_view value, std::string& out) {
  if (value.size() > kMaxAllowedIpsBytes) return "is longer than 1024 bytes";
  out.clear();
  for (const std::string_view item : list_items(value)) {
    if (!IpPrefix::parse(item)) return "is not a comma-separated list of IP prefixes";
    if (!out.empty()) out.push_back(',');
    out += item;
  }
  return {};
}

Fault parse_offloads(std::string_view value, engine::io::Offloads& out) {
  constexpr std::string_view kWithout = "no-";
  if (value == "all" || value == "none") {
    out = value == "all" ? engine::io::Offloads() : engine::io::kNoOffloads;
    return {};
  }
  const bool without = value.starts_with(kWithout);
  out = without ? engine::io::Offloads() : engine::io::kNoOffloads;
  for (std::string_view item : list_items(value)) {
    const bool fits = item.starts_with(kWithout) == without;
    if (without && fits) item.remove_prefix(kWithout.size());
    const auto offload = std::ranges::find(engine::io::kOffloadSwitches, item, &engine::io::OffloadSwitch::name);
    if (!fits || offload == engine::io::kOffloadSwitches.end()) {
      return "is not all, none, a list of tso, uso, gso and gro with commas between, or such a list with no- before "
             "each";
    }
    out.*offload->on = !without;
  }
  return {};
}

Fault parse_server_ip(std::string_view value, std::string& out) {
  const auto address = IpAddress::parse(value);
  if (!address && !is_host_name(value)) return "is not an IP address or a host name (without a port)";
  if (address && is_no_hosts(*address)) return "is no host's address; unset, it is detected";
  out = value;
  return {};
}

Fault parse_address(std::string_view value, IpAddress& out) {
  const auto address = IpAddress::parse(value);
  if (!address) return "is not an IP address";
  if (is_multicast(*address)) return "is a multicast address, where nobody can connect to";
  out = *address;
  return {};
}

Fault parse_interface(std::string_view value, std::string& out) {
  if (!is_interface_name(value)) return "is not an interface name of up to 15 letters, digits and _=+.-";
  out = value;
  return {};
}

Fault parse_mtu(std::string_view value, bool has_ipv6, int& out_bytes) {
  const auto mtu = parse_decimal(value, kMaxMtuBytes);
  if (!mtu || *mtu < kMinMtuBytes) return "is not a number of bytes from 576 to 65475";
  if (has_ipv6 && *mtu < kMinIpv6MtuBytes) return "is less than the 1280 that IPv6 needs, and WG_SUBNET6 is set";
  out_bytes = static_cast<int>(*mtu);
  return {};
}

Fault parse_workers(std::string_view value, std::optional<std::size_t>& out) {
  out.reset();
  if (value == "auto") return {};
  const auto count = parse_decimal(value, engine::kMaxWorkers);
  if (!count || *count == 0) return "is neither auto nor a number from 1 to 64";
  out = static_cast<std::size_t>(*count);
  return {};
}

Fault parse_path(std::string_view value, std::filesystem::path& out) {
  if (!value.starts_with('/') || value.find('\0') != std::string_view::npos) return "is not an absolute path";
  out = value;
  return {};
}

Fault parse_socket_path(std::string_view value, std::filesystem::path& out) {
  if (value.size() >= sizeof(sockaddr_un::sun_path)) return "is longer than the 107 bytes of a unix socket's path";
  return parse_path(value, out);
}

Fault parse_private_key(std::string_view value, std::optional<PrivateKey>& out) {
  const auto key = PrivateKey::parse(value);
  if (!key) return "is not 44 base64 characters of 32 bytes";
  if (key->is_zero()) return "is all zeros";
  out = key;
  return {};
}

Fault parse_token(std::string_view value, std::optional<control::BearerToken>& out) {
  const Result<control::BearerToken> token = control::BearerToken::parse(value);
  if (!token) return "is not 16 to 1024 letters, digits and -._~+/ (with = at the end)";
  out = *token;
  return {};
}

Fault parse_line(std::string_view value, std::string& out) {
  constexpr std::size_t kMaxLineBytes = 4096;
  if (value.size() > kMaxLineBytes) return "is longer than 4096 bytes";
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; };
  if (std::ranges::any_of(value, is_control)) return "holds a control character";
  out = value;
  return {};
}

}  // namespace vpn::cli
