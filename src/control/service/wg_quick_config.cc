#include "control/service/wg_quick_config.h"

namespace vpn::control {
namespace {

/// A NAT on the way forgets an idle client after some 30 s at the earliest.
constexpr int kPersistentKeepalive_s = 25;

std::string endpoint_text(const std::string& host, std::uint16_t port) {
  const auto address = IpAddress::parse(host);
  return (address && address->is_v6() ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

}  // namespace

std::string to_text(const WgQuickConfig& config) {
  std::string text = "[Interface]\n";
  text += "PrivateKey = " + reveal_base64(config.private_key) + "\n";
  text += "Address = " + to_string(config.address) + "\n";
  text += "\n[Peer]\n";
  text += "PublicKey = " + to_string(config.server_key) + "\n";
  if (config.preshared_key) text += "PresharedKey = " + reveal_base64(*config.preshared_key) + "\n";
  text += "AllowedIPs = " + config.allowed_ips + "\n";
  text += "Endpoint = " + endpoint_text(config.server_host, config.server_port) + "\n";
  text += "PersistentKeepalive = " + std::to_string(kPersistentKeepalive_s) + "\n";
  return text;
}

}  // namespace vpn::control
