#include "control/service/wg_quick_config.h"

#include "control/service/secret_text.h"

namespace vpn::control {
namespace {

/// More than all but the text of variable length takes.
constexpr std::size_t kFixedBytes = 512;

/// A NAT on the way forgets an idle client after some 30 s at the earliest.
constexpr int kPersistentKeepalive_s = 25;

std::string endpoint_text(const std::string& host, std::uint16_t port) {
  const auto address = IpAddress::parse(host);
  return (address && address->is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace

std::string to_text(const WgQuickConfig& config) {
  std::string text;
  text.reserve(kFixedBytes + config.allowed_ips.size() + config.server_host.size());
  text += "[Interface]\nPrivateKey = ";
  append_key(text, config.private_key);
  text += "\n";
  text += "Address = " + to_string(config.address);
  if (config.address6) text += ", " + to_string(*config.address6);
  text += "\n";
  text += "\n[Peer]\n";
  text += "PublicKey = " + to_string(config.server_key) + "\n";
  if (config.preshared_key) {
    text += "PresharedKey = ";
    append_key(text, *config.preshared_key);
    text += "\n";
  }
  text += "AllowedIPs = " + config.allowed_ips + "\n";
  text += "Endpoint = " + endpoint_text(config.server_host, config.server_port) + "\n";
  text += "PersistentKeepalive = " + std::to_string(kPersistentKeepalive_s) + "\n";
  return text;
}

}  // namespace vpn::control
