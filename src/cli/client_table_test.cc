#include "cli/client_table.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace vpn::cli {
namespace {

using namespace std::chrono_literals;

constexpr WallTime kNow{std::chrono::seconds(1'769'850'000)};  // 2026-01-31 09:00:00 UTC

control::ListedClient client(std::string name, std::chrono::seconds since_handshake) {
  return {.name = std::move(name),
          .public_key = "RfGgHnYbO8vq1Yb8rsBOcLKk0bJOmVrXhQFYBJ2OIzo=",
          .client_ip = "192.168.2.2/32",
          .enabled = true,
          .obstacle = {},
          .allowed_ips = "0.0.0.0/0,::/0",
          .created_at = kNow - 48h,
          .endpoint = "203.0.113.7:40000",
          .last_handshake = kNow - since_handshake,
          .rx_bytes = 1023,
          .tx_bytes = 1536};
}

TEST(ClientTable, AlignsColumnsOfUtf8Names) {
  std::vector<control::ListedClient> clients = {client("renée", 59s), client("", 3599s), client("phone", 86'399s)};
  clients[1].enabled = false;
  clients[2].last_handshake = {};
  clients[2].rx_bytes = 3ull << 30;
  EXPECT_EQ(
      format_client_table(clients, kNow),
      "NAME   ADDRESS      STATE     HANDSHAKE   RECEIVED  SENT     PUBLIC KEY\n"
      "renée  192.168.2.2  enabled   59 s ago    1023 B    1.5 KiB  RfGgHnYbO8vq1Yb8rsBOcLKk0bJOmVrXhQFYBJ2OIzo=\n"
      "-      192.168.2.2  disabled  59 min ago  1023 B    1.5 KiB  RfGgHnYbO8vq1Yb8rsBOcLKk0bJOmVrXhQFYBJ2OIzo=\n"
      "phone  192.168.2.2  enabled   never       3.0 GiB   1.5 KiB  RfGgHnYbO8vq1Yb8rsBOcLKk0bJOmVrXhQFYBJ2OIzo=\n");
}

TEST(ClientTable, HasAColumnForIpv6WhereTheVpnHasIt) {
  std::vector<control::ListedClient> clients = {client("laptop", 59s), client("phone", 59s)};
  clients[0].client_ip6 = "fd00:2::c0a8:202/128";
  clients[1].client_ip6 = "fd00:2::c0a8:20a/128";
  const std::string table = format_client_table(clients, kNow);
  EXPECT_NE(table.find("NAME    ADDRESS      IPV6 ADDRESS      STATE    "), std::string::npos) << table;
  EXPECT_NE(table.find("laptop  192.168.2.2  fd00:2::c0a8:202  enabled  "), std::string::npos) << table;
  EXPECT_NE(format_client_details(clients[1], kNow).find("address:        192.168.2.2/32, fd00:2::c0a8:20a/128\n"),
            std::string::npos);
}

TEST(ClientTable, ShowsWhoIsEnabledAndYetNotServed) {
  control::ListedClient unserved = client("laptop", 7200s);
  unserved.obstacle = "its address 192.168.2.1 is the gateway's own";
  EXPECT_NE(format_client_table(std::vector{unserved}, kNow).find("  not served  "), std::string::npos);
  EXPECT_NE(format_client_details(unserved, kNow)
                .find("state:          enabled, but not served: its address 192.168.2.1 is the gateway's own\n"),
            std::string::npos);
}

TEST(ClientTable, SaysHowTheFirstClientIsMade) {
  EXPECT_EQ(format_client_table({}, kNow), "No clients yet; `vpn-enabler client add laptop` makes the first.\n");
}

TEST(ClientDetails, ShowEveryProperty) {
  EXPECT_EQ(format_client_details(client("laptop", 7200s), kNow),
            "name:           laptop\n"
            "public key:     RfGgHnYbO8vq1Yb8rsBOcLKk0bJOmVrXhQFYBJ2OIzo=\n"
            "address:        192.168.2.2/32\n"
            "state:          enabled\n"
            "reaches:        0.0.0.0/0,::/0\n"
            "created:        2026-01-29 09:00:00 UTC\n"
            "endpoint:       203.0.113.7:40000\n"
            "last handshake: 2 h ago\n"
            "received:       1023 B\n"
            "sent:           1.5 KiB\n");
}

TEST(ClientDetails, AClockSetBackGivesNoNegativeAge) {
  EXPECT_NE(format_client_details(client("laptop", -60s), kNow).find("last handshake: 0 s ago\n"), std::string::npos);
}

}  // namespace
}  // namespace vpn::cli
