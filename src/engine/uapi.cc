#include "engine/uapi.h"

#include <cerrno>
#include <chrono>

#include "base/encoding.h"

namespace vpn::engine {

using protocol::InterfaceUpdate;
using protocol::PeerUpdate;

namespace {

// More than the lines of a peer up to its first allowed IP, and the end of an answer.
constexpr std::size_t kMaxStepBytes = 1024;

template <typename Key>
bool parse_hex(std::string_view text, Key& key) {
  return hex_decode(text, key.reveal_mutable());
}
bool parse_hex(std::string_view text, PublicKey& key) {
  return hex_decode(text, key.bytes);
}

// Parses `value` into `out`; EINVAL when it is not one.
template <typename Key>
int set_key(std::string_view value, std::optional<Key>& out) {
  return parse_hex(value, out.emplace()) ? 0 : EINVAL;
}

template <typename Number>
int set_number(std::string_view value, std::optional<Number>& out) {
  const auto number = parse_decimal(value, std::numeric_limits<Number>::max());
  if (!number) return EINVAL;
  out = static_cast<Number>(*number);
  return 0;
}

// The flags of the protocol are set by "true" and never unset.
int set_flag(std::string_view value, bool& out) {
  if (value != "true") return EINVAL;
  out = true;
  return 0;
}

void append_line(std::string& text, std::string_view key, std::string_view value) {
  text.append(key).append("=").append(value).append("\n");
}

void append_line(std::string& text, std::string_view key, std::uint64_t value) {
  append_line(text, key, std::to_string(value));
}

void append_secret(std::string& text, std::string_view key, const Secret<kKeySize>& secret) {
  std::string hex = hex_encode(secret.reveal());
  append_line(text, key, hex);
  wipe(hex.data(), hex.size());
}

}  // namespace

int uapi_errno(const Error& error) {
  switch (error.code) {
    case ErrorCode::kInvalidArgument:
      return EINVAL;
    case ErrorCode::kExhausted:
      return ENOMEM;
    case ErrorCode::kPermissionDenied:
      return EPERM;
    case ErrorCode::kUnavailable:
      return EADDRINUSE;
    default:
      return EIO;
  }
}

// --- set ---

bool UapiSetRequest::full_at(std::string_view line) const {
  if (line.starts_with("public_key=")) return update_.peers.size() >= kMaxPeersPerUpdate;
  return line.starts_with("allowed_ip=") && allowed_ips_ >= kMaxAllowedIpsPerUpdate;
}

int UapiSetRequest::add_line(std::string_view line) {
  const std::size_t equals = line.find('=');
  if (equals == line.npos) return EPROTO;
  const std::string_view key = line.substr(0, equals);
  const std::string_view value = line.substr(equals + 1);
  if (key == "public_key") return parse_hex(value, update_.peers.emplace_back().public_key) ? 0 : EINVAL;
  return update_.peers.empty() ? add_device_key(key, value) : add_peer_key(key, value);
}

int UapiSetRequest::add_device_key(std::string_view key, std::string_view value) {
  if (key == "private_key") return set_key(value, update_.private_key);
  if (key == "listen_port") return set_number(value, update_.listen_port);
  if (key == "fwmark") return set_number(value, update_.fwmark);
  if (key == "replace_peers") return set_flag(value, update_.replace_peers);
  return EINVAL;
}

int UapiSetRequest::add_peer_key(std::string_view key, std::string_view value) {
  PeerUpdate& peer = update_.peers.back();
  if (key == "allowed_ip") return add_allowed_ip(peer, value);
  if (key == "preshared_key") return set_key(value, peer.preshared_key);
  if (key == "endpoint") return (peer.endpoint = Endpoint::parse(value)) ? 0 : EINVAL;
  if (key == "persistent_keepalive_interval") return set_number(value, peer.persistent_keepalive_s);
  if (key == "replace_allowed_ips") return set_flag(value, peer.replace_allowed_ips);
  if (key == "remove") return set_flag(value, peer.remove);
  if (key == "update_only") return set_flag(value, peer.update_only);
  if (key == "protocol_version") return value == "1" ? 0 : EINVAL;
  return EINVAL;
}

int UapiSetRequest::add_allowed_ip(PeerUpdate& peer, std::string_view value) {
  const bool remove = value.starts_with('-');
  if (remove) value.remove_prefix(1);
  const auto prefix = IpPrefix::parse(value);
  if (!prefix || value.find('/') == value.npos) return EINVAL;
  peer.allowed_ips.push_back({prefix->masked(), remove});
  ++allowed_ips_;
  return 0;
}

InterfaceUpdate UapiSetRequest::take() {
  InterfaceUpdate taken = std::exchange(update_, {});
  allowed_ips_ = 0;
  if (!taken.peers.empty()) {
    // A peer that the first part removed, or was told not to make, must not come to be by the second.
    update_.peers.push_back({.public_key = taken.peers.back().public_key, .update_only = true});
  }
  return taken;
}

// --- get ---

bool UapiGetAnswer::append_next(std::string& text) {
  const std::size_t enough = text.size() + kMaxPartBytes - kMaxStepBytes;
  if (!std::exchange(device_done_, true)) append_device(text);
  while (next_peer_ < snapshot_.peers.size() && text.size() < enough) {
    const protocol::PeerSnapshot& peer = snapshot_.peers[next_peer_];
    const std::size_t count = peer.allowed_ips.size();
    if (next_allowed_ip_ == 0) append_peer(text, peer);
    // One at least, by which the next part knows that the peer has begun.
    while (next_allowed_ip_ < count) {
      append_line(text, "allowed_ip", to_string(peer.allowed_ips[next_allowed_ip_++]));
      if (text.size() >= enough) break;
    }
    if (next_allowed_ip_ < count) break;
    next_allowed_ip_ = 0;
    ++next_peer_;
  }
  if (next_peer_ < snapshot_.peers.size()) return true;
  text.append("errno=0\n\n");
  return false;
}

void UapiGetAnswer::append_device(std::string& text) const {
  if (!snapshot_.private_key.is_zero()) append_secret(text, "private_key", snapshot_.private_key);
  if (snapshot_.listen_port != 0) append_line(text, "listen_port", snapshot_.listen_port);
  if (snapshot_.fwmark != 0) append_line(text, "fwmark", snapshot_.fwmark);
}

// All but its allowed IPs.
void UapiGetAnswer::append_peer(std::string& text, const protocol::PeerSnapshot& peer) {
  append_line(text, "public_key", hex_encode(peer.public_key.bytes));
  append_secret(text, "preshared_key", peer.preshared_key);
  append_line(text, "protocol_version", 1);
  if (peer.endpoint) append_line(text, "endpoint", to_string(peer.endpoint));
  const auto handshake = peer.last_handshake.time_since_epoch();
  const auto seconds = std::chrono::floor<std::chrono::seconds>(handshake);
  append_line(text, "last_handshake_time_sec", static_cast<std::uint64_t>(seconds.count()));
  append_line(text, "last_handshake_time_nsec", static_cast<std::uint64_t>((handshake - seconds).count()));
  append_line(text, "tx_bytes", peer.tx_bytes);
  append_line(text, "rx_bytes", peer.rx_bytes);
  append_line(text, "persistent_keepalive_interval", peer.persistent_keepalive_s);
}

}  // namespace vpn::engine
