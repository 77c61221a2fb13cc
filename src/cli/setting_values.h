// The values of settings: one parser per kind. Pure.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/ip.h"
#include "base/key.h"
#include "control/api/auth.h"
#include "engine/io/offloads.h"

namespace vpn::cli {

/// What is wrong with a value, as the end of the sentence `NAME="value" ...`; empty when nothing is. Never quotes the
/// value.
using Fault = std::string;

/// kInvalidArgument of the setting `name`: its value, what is wrong with it, and a right example.
Error bad_value(std::string_view name, std::string_view value, const Fault& fault, std::string_view example);

/// 1 to 65535.
Fault parse_port(std::string_view value, std::uint16_t& out);
/// A unicast IPv4 address, not loopback's, with a length from 8 to 30; neither the network's nor the broadcast address.
Fault parse_subnet(std::string_view value, IpPrefix& out);
/// A unicast IPv6 address that is routed, with a length from 16 to 96: a client's IPv4 address has to fit behind it
/// (docs/adr/0009-ipv6-addresses.md). Neither the network's address nor one that a client of `subnet` could get.
Fault parse_subnet6(std::string_view value, const IpPrefix& subnet, std::optional<IpPrefix>& out);
/// Comma-separated prefixes, at most 1,024 bytes; spaces around them are taken off.
Fault parse_allowed_ips(std::string_view value, std::string& out);
/// A host's IP address, or a host name.
Fault parse_server_ip(std::string_view value, std::string& out);
Fault parse_address(std::string_view value, IpAddress& out);  ///< any but a multicast one
/// What wg-quick takes: up to 15 of [a-zA-Z0-9_=+.-].
Fault parse_interface(std::string_view value, std::string& out);
/// 576 to 65475; with IPv6 in the tunnel from 1280 on.
Fault parse_mtu(std::string_view value, bool has_ipv6, int& out_bytes);
/// "auto", which leaves `out` empty, or 1 to 64.
Fault parse_workers(std::string_view value, std::optional<std::size_t>& out);
/// Absolute.
Fault parse_path(std::string_view value, std::filesystem::path& out);
/// Absolute, and fits a sockaddr_un.
Fault parse_socket_path(std::string_view value, std::filesystem::path& out);
Fault parse_private_key(std::string_view value, std::optional<PrivateKey>& out);
Fault parse_token(std::string_view value, std::optional<control::BearerToken>& out);

/// all, none, those that may be used, or no- before each that may not: tso, uso, gso, gro, with commas between.
Fault parse_offloads(std::string_view value, engine::io::Offloads& out);

/// Any but one with a control character, which nothing that it could name has; at most 4,096 bytes.
Fault parse_line(std::string_view value, std::string& out);

/// A value out of a few words.
template <typename T>
Fault parse_word(std::string_view value, std::initializer_list<std::pair<std::string_view, T>> words, T& out) {
  std::string choices;
  for (const auto& [word, meaning] : words) {
    if (value == word) {
      out = meaning;
      return {};
    }
    if (!choices.empty()) choices += ", ";
    choices += word;
  }
  return "is none of " + choices;
}

}  // namespace vpn::cli
