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

void append_list(SecretText& out, const std::vector<IpPrefix>& prefixes) {
  std::string_view separator = "";
  for (const IpPrefix& prefix : prefixes) {
    out.append(separator).append(to_string(prefix));
    separator = ", ";
  }
}

void show_interface(SecretText& out, const tunnel::TunnelStatus& status) {
  out.append("interface: ").append(status.interface_name).append("\n");
  if (!status.private_key.is_zero()) {
    out.append("  public key: ").append(to_string(status.public_key)).append("\n  private key: (hidden)\n");
  }
  if (status.listen_port != 0) out.append("  listening port: ").append(std::to_string(status.listen_port)).append("\n");
  if (status.fwmark != 0) out.append("  fwmark: ").append(hex(status.fwmark)).append("\n");
}

void show_peer(SecretText& out, const tunnel::PeerStatus& peer, WallTime now) {
  const tunnel::Peer& config = peer.peer;
  out.append("\npeer: ").append(to_string(config.public_key)).append("\n");
  if (has_key(config.preshared_key)) out += "  preshared key: (hidden)\n";
  if (peer.endpoint) out.append("  endpoint: ").append(to_string(peer.endpoint)).append("\n");
  out += "  allowed ips: ";
  if (config.allowed_ips.empty()) out += "(none)";
  append_list(out, config.allowed_ips);
  out += '\n';
  if (since_1970(peer.last_handshake) != seconds(0)) {
    out.append("  latest handshake: ").append(ago_text(peer.last_handshake, now)).append("\n");
  }
  if (peer.rx_bytes != 0 || peer.tx_bytes != 0) {
    out.append("  transfer: ").append(size_text(peer.rx_bytes)).append(" received, ");
    out.append(size_text(peer.tx_bytes)).append(" sent\n");
  }
  if (config.persistent_keepalive_s != 0) {
    out.append("  persistent keepalive: every ").append(duration_text(config.persistent_keepalive_s)).append("\n");
  }
}

void conf_interface(SecretText& out, const tunnel::TunnelStatus& status) {
  out += "[Interface]\n";
  if (status.listen_port != 0) out.append("ListenPort = ").append(std::to_string(status.listen_port)).append("\n");
  if (status.fwmark != 0) out.append("FwMark = ").append(hex(status.fwmark)).append("\n");
  if (!status.private_key.is_zero()) {
    out += "PrivateKey = ";
    append_key(out, status.private_key);
    out += '\n';
  }
  if (status.peers.empty()) out += '\n';
}

void conf_peer(SecretText& out, const tunnel::PeerStatus& peer) {
  const tunnel::Peer& config = peer.peer;
  out.append("\n[Peer]\nPublicKey = ").append(to_string(config.public_key)).append("\n");
  if (has_key(config.preshared_key)) {
    out += "PresharedKey = ";
    append_key(out, *config.preshared_key);
    out += '\n';
  }
  if (!config.allowed_ips.empty()) {
    out += "AllowedIPs = ";
    append_list(out, config.allowed_ips);
    out += '\n';
  }
  if (peer.endpoint) out.append("Endpoint = ").append(to_string(peer.endpoint)).append("\n");
  if (config.persistent_keepalive_s != 0) {
    out.append("PersistentKeepalive = ").append(std::to_string(config.persistent_keepalive_s)).append("\n");
  }
}

}  // namespace

WgText::WgText(WgFormat format, tunnel::TunnelStatus status, WallTime now)
    : format_(format), status_(std::move(status)), now_(now) {
  peers_.reserve(status_.peers.size());
  for (const tunnel::PeerStatus& peer : status_.peers) peers_.push_back(&peer);
  if (format_ != WgFormat::kShow) return;
  std::sort(peers_.begin(), peers_.end(), [](const auto* a, const auto* b) {
    return std::tie(b->last_handshake, a->peer.public_key) < std::tie(a->last_handshake, b->peer.public_key);
  });
}

bool WgText::append_next(SecretText& out) {
  const std::size_t start = out.size();
  const bool show = format_ == WgFormat::kShow;
  if (next_ == 0) show ? show_interface(out, status_) : conf_interface(out, status_);
  for (; next_ < peers_.size() && out.size() - start < kPieceBytes; ++next_) {
    show ? show_peer(out, *peers_[next_], now_) : conf_peer(out, *peers_[next_]);
  }
  return next_ < peers_.size();
}

}  // namespace vpn::control
