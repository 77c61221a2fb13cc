#include "quick/server_import.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string_view>
#include <unordered_map>

#include "cli/setting_values.h"
#include "control/model/client_name.h"
#include "control/model/network.h"
#include "control/service/address_pool.h"
#include "engine/crypto/x25519.h"

namespace vpn::quick {
namespace {

using control::Client;

// --- Names ---

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string_view trimmed(std::string_view text) {
  const auto surrounds = [](char c) { return c == ' ' || c == '\t' || c == '#'; };
  while (!text.empty() && surrounds(text.front())) text.remove_prefix(1);
  while (!text.empty() && surrounds(text.back())) text.remove_suffix(1);
  return text;
}

/// Takes a word off the front, in any case, and what divides it from the rest. False when another stands there.
bool take_word(std::string_view& text, std::string_view word) {
  const bool is_there = text.size() > word.size() && std::ranges::equal(text.substr(0, word.size()), word, {}, lower);
  if (!is_there || std::string_view(" \t:=").find(text[word.size()]) == text.npos) return false;
  text.remove_prefix(word.size());
  while (!text.empty() && std::string_view(" \t:=").find(text.front()) != text.npos) text.remove_prefix(1);
  return true;
}

/// "alice (0b1c...)" is how wg-easy writes alice.
std::string_view without_number(std::string_view name) {
  const std::size_t open = name.rfind(" (");
  if (open == name.npos || !name.ends_with(')')) return name;
  const std::string_view inside = name.substr(open + 2, name.size() - open - 3);
  const bool is_uuid = inside.size() == 36 && inside.find_first_not_of("0123456789abcdefABCDEF-") == inside.npos;
  return is_uuid ? name.substr(0, open) : name;
}

/// What a marked comment says: `Name = alice`; `Client: alice`, wg-easy's; `Client alice`, of a widespread script;
/// `begin alice` and `BEGIN_PEER alice`, of two more; `friendly_name = alice`, of a Prometheus exporter.
std::string_view marked_name(std::string_view text) {
  text = trimmed(text);
  for (const std::string_view mark : {"name", "client", "begin", "begin_peer", "friendly_name"}) {
    if (take_word(text, mark)) return without_number(trimmed(text));
  }
  return {};
}

/// A comment that ends the section before.
bool is_end_mark(std::string_view text) {
  text = trimmed(text);
  return take_word(text, "end") || take_word(text, "end_peer");
}

std::string fit_name(std::string_view name) {
  return control::check_client_name(name) ? std::string(name) : std::string();
}

// --- Peers ---

std::string list(const std::vector<IpPrefix>& prefixes) {
  constexpr std::size_t kMaxShown = 4;
  std::string text;
  for (std::size_t i = 0; i < std::min(prefixes.size(), kMaxShown); ++i) {
    text += (i == 0 ? "" : ", ") + to_string(prefixes[i]);
  }
  return prefixes.size() > kMaxShown ? text + ", ..." : text;
}

bool is_whole_address(const IpPrefix& prefix) {
  return prefix.length == prefix.address.bit_count();
}

/// The peers of one file on their way to clients.
class Peers {
 public:
  Peers(const WgQuickFile& file, control::AddressPool pool, const control::Network& network,
        const std::string& allowed_ips, WallTime now)
      : server_key_(engine::crypto::derive_public_key(file.private_key)),
        pool_(std::move(pool)),
        network_(network),
        allowed_ips_(allowed_ips),
        now_(now) {}

  void add(const FilePeer& peer, ServerImport& result) {
    const std::string name = name_of(peer);
    const std::string where = "line " + std::to_string(peer.line) + (name.empty() ? "" : " (" + name + ")");
    IpAddress address;
    if (const std::string fault = fault_of(peer, address); !fault.empty()) {
      result.unfit.push_back(where + ": " + fault);
      return;
    }
    lines_by_key_.emplace(peer.public_key, peer.line);
    lines_by_address_.emplace(address, peer.line);
    Client client{.public_key = peer.public_key,
                  .preshared_key = peer.preshared_key,
                  .address = address,
                  .allowed_ips = allowed_ips_,
                  .name = name,
                  .enabled = true,
                  .created_at = now_};
    if (client.preshared_key && client.preshared_key->is_zero()) client.preshared_key.reset();
    if (!name.empty() && !names_.insert(name).second) {
      result.notes.push_back(where + ": another peer has that name; this one gets none");
      client.name.clear();
    }
    note_ipv6(peer, address, where, result);
    if (peer.endpoint) result.notes.push_back(where + ": Endpoint is left out; clients call the gateway");
    result.clients.push_back(std::move(client));
  }

 private:
  /// Nothing to say when its IPv6 address is the one that every gateway derives (docs/adr/0009-ipv6-addresses.md).
  void note_ipv6(const FilePeer& peer, const IpAddress& v4, const std::string& where, ServerImport& result) const {
    const auto theirs = std::ranges::find_if(peer.allowed_ips, [](const IpPrefix& p) { return p.address.is_v6(); });
    const auto ours = network_.ipv6_of(v4);
    if (theirs == peer.allowed_ips.end() || theirs->address == ours) return;
    const std::string address = where + ": its IPv6 address " + to_string(theirs->address);
    result.notes.push_back(
        ours ? address + " is not the one that goes with " + to_string(v4) +
                   ": it has IPv4 alone until its own file says Address = " + to_string(v4) + "/32, " +
                   to_string(*ours) + "/128"
             : address + " is left out, and it has IPv4 alone: without WG_SUBNET6 the VPN carries no IPv6");
  }

  std::string fault_of(const FilePeer& peer, IpAddress& address) {
    if (const auto same = lines_by_key_.find(peer.public_key); same != lines_by_key_.end()) {
      return "its PublicKey is that of line " + std::to_string(same->second);
    }
    if (peer.public_key == server_key_) return "its PublicKey is the server's own";
    if (engine::crypto::is_low_order(peer.public_key))
      return "its PublicKey is a point of low order, which keeps no secret";
    std::vector<IpPrefix> v4, v6;
    for (const IpPrefix& prefix : peer.allowed_ips) (prefix.address.is_v4() ? v4 : v6).push_back(prefix);
    if (v4.size() != 1 || !is_whole_address(v4[0]) || v6.size() > 1 || !std::ranges::all_of(v6, is_whole_address)) {
      return "AllowedIPs = " + list(peer.allowed_ips) + ": a client has one address of " +
             to_string(network_.gateway.masked()) +
             ", as /32, and no network behind it; join networks with `vpn-enabler up`";
    }
    address = v4[0].address;
    if (!pool_.contains(address)) {
      return "AllowedIPs = " + to_string(v4[0]) + " is no address for a client in " +
             to_string(network_.gateway.masked());
    }
    if (!pool_.take(address)) {
      return "its address " + to_string(address) + " is that of line " + std::to_string(lines_by_address_.at(address));
    }
    return {};
  }

  const PublicKey server_key_;
  control::AddressPool pool_;
  const control::Network& network_;
  const std::string& allowed_ips_;
  const WallTime now_;
  std::unordered_map<PublicKey, int> lines_by_key_;
  std::unordered_map<IpAddress, int> lines_by_address_;
  std::set<std::string> names_;
};

// --- The rest of the file ---

bool contains_in_any_case(std::string_view text, std::string_view part) {
  return !std::ranges::search(text, part, {}, lower).empty();
}

bool masquerades(const Hook& hook) {
  return contains_in_any_case(hook.command, "masquerade") || contains_in_any_case(hook.command, "-j snat");
}

/// What stands in for a hook.
const char* counterpart(const Hook& hook) {
  if (masquerades(hook)) return "NAT=on does this";
  if (contains_in_any_case(hook.command, "ip_forward") || contains_in_any_case(hook.command, ".forwarding")) {
    return "the gateway switches forwarding on by itself";
  }
  if (contains_in_any_case(hook.command, "forward")) {
    return "PEER_ALLOWED_IPS says what clients reach (docs/access.md); a firewall of the host that drops forwarding "
           "must "
           "still let the interface pass";
  }
  return "has no counterpart: what it does is the host's to do";
}

void note_hooks(const WgQuickFile& file, ServerImport& result) {
  std::map<std::string, std::string> lines;  // by counterpart
  for (const Hook& hook : file.hooks) {
    std::string& text = lines[counterpart(hook)];
    text += (text.empty() ? "" : ", ") + hook.key + " in line " + std::to_string(hook.line);
  }
  for (const auto& [meaning, where] : lines) result.notes.push_back(where + ": " + meaning);
}

void note_keys(const WgQuickFile& file, ServerImport& result) {
  const auto note = [&result](bool condition, const char* text) {
    if (condition) result.notes.emplace_back(text);
  };
  note(!file.dns_servers.empty(), "DNS: left out; a gateway's own name servers are the host's");
  note(file.table.kind != RoutingTable::Kind::kAuto, "Table: left out; the gateway needs no route but its subnet's");
  note(file.fwmark != 0, "FwMark: left out; the gateway does not mark its packets");
  note(file.save_config, "SaveConfig: clients are kept in the store from now on");
}

void add_settings(const WgQuickFile& file, const std::string& interface_name, const control::Network& network,
                  ServerImport& result) {
  result.settings.emplace_back("WG_SUBNET", to_string(network.gateway));
  if (network.gateway6) result.settings.emplace_back("WG_SUBNET6", to_string(*network.gateway6));
  if (file.listen_port != 0) {
    result.settings.emplace_back("WG_PORT", std::to_string(file.listen_port));
  } else {
    result.notes.emplace_back("there is no ListenPort, so clients called a port that changed; WG_PORT stays as it is");
  }
  result.settings.emplace_back("WG_INTERFACE", interface_name);
  if (file.mtu_bytes) result.settings.emplace_back("WG_MTU", std::to_string(*file.mtu_bytes));
  result.settings.emplace_back("NAT", std::ranges::any_of(file.hooks, masquerades) ? "on" : "off");
}

/// The first address that a gateway can have of each family; an IPv4 one has to be there. Of the others it is told why
/// they are left out.
std::optional<control::Network> find_network(const WgQuickFile& file, std::vector<std::string>& notes) {
  const auto subnet = std::ranges::find_if(file.addresses, [](const IpPrefix& address) {
    IpPrefix parsed;
    return cli::parse_subnet(to_string(address), parsed).empty();
  });
  if (subnet == file.addresses.end()) return std::nullopt;
  control::Network network;
  network.gateway = *subnet;
  for (const IpPrefix& address : file.addresses) {
    if (address == *subnet) continue;
    std::string fault = "a gateway has one subnet of each family";
    if (address.address.is_v6() && !network.gateway6) {
      fault = cli::parse_subnet6(to_string(address), *subnet, network.gateway6);
      if (fault.empty()) continue;
      fault = "as WG_SUBNET6 it " + fault;
    }
    notes.push_back("Address = " + to_string(address) + " is left out: " + fault);
  }
  return network;
}

}  // namespace

std::string name_of(const FilePeer& peer) {
  for (const Comment& comment : peer.comments) {
    if (const std::string name = fit_name(marked_name(comment.text)); !name.empty()) return name;
  }
  for (const Comment& comment : peer.comments) {
    if (!comment.at_header || is_end_mark(comment.text)) continue;
    if (const std::string name = fit_name(trimmed(comment.text)); !name.empty()) return name;
  }
  return {};
}

ServerImport import_server(const WgQuickFile& file, const std::string& interface_name, const std::string& allowed_ips,
                           WallTime now) {
  ServerImport result;
  const auto network = find_network(file, result.notes);
  auto pool = network ? control::AddressPool::create(network->gateway)
                      : Result<control::AddressPool>(fail(ErrorCode::kInvalidArgument, "no subnet"));
  if (!pool) {
    result.fault =
        "no Address of [Interface] is an IPv4 one with the length of the clients' subnet, 8 to 30; for example "
        "Address = 10.8.0.1/24";
    return result;
  }
  Peers peers(file, *std::move(pool), *network, allowed_ips, now);
  for (const FilePeer& peer : file.peers) peers.add(peer, result);
  add_settings(file, interface_name, *network, result);
  note_hooks(file, result);
  note_keys(file, result);
  return result;
}

}  // namespace vpn::quick
