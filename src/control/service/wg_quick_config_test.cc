#include "control/service/wg_quick_config.h"

#include <gtest/gtest.h>

namespace vpn::control {
namespace {

WgQuickConfig example() {
  return {.private_key = *PrivateKey::parse("YDhkXqli1GUm+Huk2Go8SO7KxWbi9QbifQSn3V4ooEM="),
          .preshared_key = PresharedKey::parse("FIOSf1fXw7v4fEX6ThmMNinU/B/q7gXP/dLnApwe9HI="),
          .address = *IpPrefix::parse("192.168.2.2/32"),
          .server_key = *PublicKey::parse("9TjcVJHPDh8h0/Qxy4Hf5x77cm70LNwc7Bbcj3tUAgk="),
          .server_host = "192.168.1.67",
          .server_port = 51820,
          .allowed_ips = "0.0.0.0/0,::/0"};
}

std::string endpoint_of(const std::string& host) {
  WgQuickConfig config = example();
  config.server_host = host;
  const std::string text = to_text(config);
  const std::size_t begin = text.find("Endpoint = ") + 11;
  return text.substr(begin, text.find('\n', begin) - begin);
}

TEST(WgQuickConfig, ReadsAsWgQuickReadsIt) {
  EXPECT_EQ(to_text(example()),
            "[Interface]\n"
            "PrivateKey = YDhkXqli1GUm+Huk2Go8SO7KxWbi9QbifQSn3V4ooEM=\n"
            "Address = 192.168.2.2/32\n"
            "\n"
            "[Peer]\n"
            "PublicKey = 9TjcVJHPDh8h0/Qxy4Hf5x77cm70LNwc7Bbcj3tUAgk=\n"
            "PresharedKey = FIOSf1fXw7v4fEX6ThmMNinU/B/q7gXP/dLnApwe9HI=\n"
            "AllowedIPs = 0.0.0.0/0,::/0\n"
            "Endpoint = 192.168.1.67:51820\n"
            "PersistentKeepalive = 25\n");
}

TEST(WgQuickConfig, GivesTheClientBothItsAddresses) {
  WgQuickConfig config = example();
  config.address6 = IpPrefix::parse("fd00:2::c0a8:202/128");
  EXPECT_NE(to_text(config).find("Address = 192.168.2.2/32, fd00:2::c0a8:202/128\n"), std::string::npos);
}

TEST(WgQuickConfig, LeavesOutAPresharedKeyThatIsNotThere) {
  WgQuickConfig config = example();
  config.preshared_key.reset();
  EXPECT_EQ(to_text(config).find("PresharedKey"), std::string::npos);
}

TEST(WgQuickConfig, WritesAnyKindOfHost) {
  EXPECT_EQ(endpoint_of("vpn.example.org"), "vpn.example.org:51820");
  EXPECT_EQ(endpoint_of("2001:db8::1"), "[2001:db8::1]:51820");
  EXPECT_EQ(endpoint_of("198.51.100.7"), "198.51.100.7:51820");
}

}  // namespace
}  // namespace vpn::control
