#include "control/service/wg_text.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <tuple>
#include <vector>

namespace vpn::control {
namespace {

using std::chrono::seconds;

std::string hex(std::uint32_t number) {
  std::array<char, 11> text{};
  std::snprintf(text.data(), text.size(), "0x%x", number);
  return text.data();
}

bool has_key(const std::optional<PresharedKey>& key) {
  return key && !key->is_zero();
}

seconds since_1970(WallTime time) {
  return std::chrono::floor<seconds>(time.time_since_epoch());
}

/// "1 day, 2 hours, 1 second": a year of 365 days, parts that are zero left out.
std::string duration_text(std::int64_t total_s) {
  struct Unit {
    const char* name;
    std::int64_t length_s;
  };
  constexpr std::array kUnits = {Unit{"year", 365 * 86400}, Unit{"day", 86400}, Unit{"hour", 3600}, Unit{"minute", 60},
                                 Unit{"second", 1}};
  std::string text;
  for (const Unit& unit : kUnits) {
    const std::int64_t count = total_s / unit.length_s;
    total_s %= unit.length_s;
    if (count == 0) continue;
    if (!text.empty()) text += ", ";
    text += std::to_string(count) + " " + unit.name + (count == 1 ? "" : "s");
  }
  return text;
}

std::string ago_text(WallTime then, WallTime now) {
  const seconds age = since_1970(now) - since_1970(then);
  if (age < seconds(0)) return "(System clock wound backward; connection problems may ensue.)";
  if (age == seconds(0)) return "Now";
  return duration_text(age.count()) + " ago";
}

std::string size_text(std::uint64_t bytes) {
  if (bytes < 1024) return std::to_string(bytes) + " B";
  constexpr std::array kUnits = {"KiB", "MiB", "GiB", "TiB"};
  double size = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  for (std::uint64_t whole = bytes / 1024; whole >= 1024 && unit + 1 < kUnits.size(); whole /= 1024, ++unit)
    size /= 1024;
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.2f %s", size, kUnits.at(unit));
  return text.data();
}

std::string list_text(const std::vector<IpPrefix>& prefixes) {
  std::string text;
  for (const IpPrefix& prefix : prefixes) text += (text.empty() ? "" : ", ") + to_string(prefix);
  return text;
}

std::string show_peer(const tunnel::PeerStatus& peer, WallTime now) {
  const tunnel::Peer& config = peer.peer;
  std::string text = "peer: " + to_string(config.public_key) + "\n";
  if (has_key(config.preshared_key)) text += "  preshared key: (hidden)\n";
  if (peer.endpoint) text += "  endpoint: " + to_string(peer.endpoint) + "\n";
  text += "  allowed ips: " + (config.allowed_ips.empty() ? "(none)" : list_text(config.allowed_ips)) + "\n";
  if (since_1970(peer.last_handshake) != seconds(0))
    text += "  latest handshake: " + ago_text(peer.last_handshake, now) + "\n";
  if (peer.rx_bytes != 0 || peer.tx_bytes != 0) {
    text += "  transfer: " + size_text(peer.rx_bytes) + " received, " + size_text(peer.tx_bytes) + " sent\n";
  }
  if (config.persistent_keepalive_s != 0) {
    text += "  persistent keepalive: every " + duration_text(config.persistent_keepalive_s) + "\n";
  }
  return text;
}

std::string conf_peer(const tunnel::PeerStatus& peer) {
  const tunnel::Peer& config = peer.peer;
  std::string text = "[Peer]\nPublicKey = " + to_string(config.public_key) + "\n";
  if (has_key(config.preshared_key)) text += "PresharedKey = " + reveal_base64(*config.preshared_key) + "\n";
  if (!config.allowed_ips.empty()) text += "AllowedIPs = " + list_text(config.allowed_ips) + "\n";
  if (peer.endpoint) text += "Endpoint = " + to_string(peer.endpoint) + "\n";
  if (config.persistent_keepalive_s != 0) {
    text += "PersistentKeepalive = " + std::to_string(config.persistent_keepalive_s) + "\n";
  }
  return text;
}

}  // namespace

std::string wg_show(const tunnel::TunnelStatus& status, WallTime now) {
  std::vector<const tunnel::PeerStatus*> peers;
  peers.reserve(status.peers.size());
  for (const tunnel::PeerStatus& peer : status.peers) peers.push_back(&peer);
  std::sort(peers.begin(), peers.end(), [](const auto* a, const auto* b) {
    return std::tie(b->last_handshake, a->peer.public_key) < std::tie(a->last_handshake, b->peer.public_key);
  });

  std::string text = "interface: " + status.interface_name + "\n";
  if (!status.private_key.is_zero()) {
    text += "  public key: " + to_string(status.public_key) + "\n";
    text += "  private key: (hidden)\n";
  }
  if (status.listen_port != 0) text += "  listening port: " + std::to_string(status.listen_port) + "\n";
  if (status.fwmark != 0) text += "  fwmark: " + hex(status.fwmark) + "\n";
  for (const tunnel::PeerStatus* peer : peers) text += "\n" + show_peer(*peer, now);
  return text;
}

std::string wg_showconf(const tunnel::TunnelStatus& status) {
  std::string text = "[Interface]\n";
  if (status.listen_port != 0) text += "ListenPort = " + std::to_string(status.listen_port) + "\n";
  if (status.fwmark != 0) text += "FwMark = " + hex(status.fwmark) + "\n";
  if (!status.private_key.is_zero()) text += "PrivateKey = " + reveal_base64(status.private_key) + "\n";
  for (const tunnel::PeerStatus& peer : status.peers) text += "\n" + conf_peer(peer);
  if (status.peers.empty()) text += "\n";
  return text;
}

}  // namespace vpn::control
