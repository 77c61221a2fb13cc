#include "control/service/wg_text.h"

#include <gtest/gtest.h>

#include "control/service/test_freed_memory.h"

namespace vpn::control {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr WallTime kNow{seconds(1'700'000'000) + nanoseconds(500)};

tunnel::PeerStatus peer(const char* key, std::vector<const char*> allowed_ips) {
  tunnel::PeerStatus status;
  status.peer.public_key = *PublicKey::parse(key);
  for (const char* prefix : allowed_ips) status.peer.allowed_ips.push_back(*IpPrefix::parse(prefix));
  return status;
}

tunnel::TunnelStatus example() {
  tunnel::TunnelStatus status;
  status.interface_name = "wg0";
  status.private_key = *PrivateKey::parse("YDhkXqli1GUm+Huk2Go8SO7KxWbi9QbifQSn3V4ooEM=");
  status.public_key = *PublicKey::parse("ylXzmKVKU7JxEZ+HIljA1ClAatW8f8UZLJZ2bJyjAFY=");
  status.listen_port = 51820;
  status.fwmark = 0xca6c;

  tunnel::PeerStatus never = peer("SlRAAN0hIlDFeahEXDdmdEaaVH43IGqKPVNUuQHSqdI=", {});
  tunnel::PeerStatus earlier = peer("PApGYdKhzhwrHnIZ4hqh6+0s0cI3lwhuz7pVc8pB/2Q=", {"192.168.2.2/32", "fd00::/64"});
  earlier.peer.preshared_key = PresharedKey::parse("FIOSf1fXw7v4fEX6ThmMNinU/B/q7gXP/dLnApwe9HI=");
  earlier.peer.persistent_keepalive_s = 25;
  earlier.endpoint = *Endpoint::parse("192.0.2.1:4000");
  earlier.last_handshake = kNow - seconds(62);
  earlier.rx_bytes = 1229;
  earlier.tx_bytes = 512;
  tunnel::PeerStatus latest = peer("RzDMFL8PxfVnFIa6Y2wbLmDNXACA1P1bb1lSWkg8jCs=", {"192.168.2.3/32"});
  latest.peer.preshared_key.emplace();
  latest.endpoint = *Endpoint::parse("[2001:db8::3]:51820");
  latest.last_handshake = kNow;
  latest.rx_bytes = 5u << 20;
  status.peers = {never, earlier, latest};
  return status;
}

std::string print(WgFormat format, const tunnel::TunnelStatus& status) {
  WgText text(format, status, kNow);
  SecretText out;
  while (text.append_next(out)) {
  }
  return std::string(out);
}
std::string wg_show(const tunnel::TunnelStatus& status) {
  return print(WgFormat::kShow, status);
}
std::string wg_showconf(const tunnel::TunnelStatus& status) {
  return print(WgFormat::kShowconf, status);
}

TEST(WgShow, PrintsAsTheStockToolDoes) {
  EXPECT_EQ(wg_show(example()),
            "interface: wg0\n"
            "  public key: ylXzmKVKU7JxEZ+HIljA1ClAatW8f8UZLJZ2bJyjAFY=\n"
            "  private key: (hidden)\n"
            "  listening port: 51820\n"
            "  fwmark: 0xca6c\n"
            "\n"
            "peer: RzDMFL8PxfVnFIa6Y2wbLmDNXACA1P1bb1lSWkg8jCs=\n"
            "  endpoint: [2001:db8::3]:51820\n"
            "  allowed ips: 192.168.2.3/32\n"
            "  latest handshake: Now\n"
            "  transfer: 5.00 MiB received, 0 B sent\n"
            "\n"
            "peer: PApGYdKhzhwrHnIZ4hqh6+0s0cI3lwhuz7pVc8pB/2Q=\n"
            "  preshared key: (hidden)\n"
            "  endpoint: 192.0.2.1:4000\n"
            "  allowed ips: 192.168.2.2/32, fd00::/64\n"
            "  latest handshake: 1 minute, 2 seconds ago\n"
            "  transfer: 1.20 KiB received, 512 B sent\n"
            "  persistent keepalive: every 25 seconds\n"
            "\n"
            "peer: SlRAAN0hIlDFeahEXDdmdEaaVH43IGqKPVNUuQHSqdI=\n"
            "  allowed ips: (none)\n");
}

TEST(WgShow, PrintsABareInterface) {
  tunnel::TunnelStatus status;
  status.interface_name = "wg1";
  EXPECT_EQ(wg_show(status), "interface: wg1\n");
}

TEST(WgShow, NamesEveryUnitOfTimeAndSize) {
  const auto line = [](seconds age, std::uint64_t bytes) {
    tunnel::TunnelStatus status;
    status.peers = {peer("SlRAAN0hIlDFeahEXDdmdEaaVH43IGqKPVNUuQHSqdI=", {})};
    status.peers[0].last_handshake = kNow - age;
    status.peers[0].rx_bytes = bytes;
    const std::string text = wg_show(status);
    return text.substr(text.find("  latest handshake"));
  };
  EXPECT_EQ(line(seconds(1), 1), "  latest handshake: 1 second ago\n  transfer: 1 B received, 0 B sent\n");
  EXPECT_EQ(line(seconds(3600), 1023), "  latest handshake: 1 hour ago\n  transfer: 1023 B received, 0 B sent\n");
  EXPECT_EQ(
      line(seconds(2 * 365 * 86400 + 86400 + 7200 + 61), 1024),
      "  latest handshake: 2 years, 1 day, 2 hours, 1 minute, 1 second ago\n  transfer: 1.00 KiB received, 0 B sent\n");
  EXPECT_EQ(line(seconds(-5), (1u << 20) - 1),
            "  latest handshake: (System clock wound backward; connection problems may ensue.)\n"
            "  transfer: 1024.00 KiB received, 0 B sent\n");
  EXPECT_EQ(line(seconds(0), 3ull << 29), "  latest handshake: Now\n  transfer: 1.50 GiB received, 0 B sent\n");
  EXPECT_EQ(line(seconds(0), 1ull << 52), "  latest handshake: Now\n  transfer: 4096.00 TiB received, 0 B sent\n");
}

TEST(WgShow, HidesEverySecret) {
  const std::string text = wg_show(example());
  EXPECT_EQ(text.find("YDhkXqli"), std::string::npos);
  EXPECT_EQ(text.find("FIOSf1fX"), std::string::npos);
}

TEST(WgShowconf, PrintsAsTheStockToolDoes) {
  EXPECT_EQ(wg_showconf(example()),
            "[Interface]\n"
            "ListenPort = 51820\n"
            "FwMark = 0xca6c\n"
            "PrivateKey = YDhkXqli1GUm+Huk2Go8SO7KxWbi9QbifQSn3V4ooEM=\n"
            "\n"
            "[Peer]\n"
            "PublicKey = SlRAAN0hIlDFeahEXDdmdEaaVH43IGqKPVNUuQHSqdI=\n"
            "\n"
            "[Peer]\n"
            "PublicKey = PApGYdKhzhwrHnIZ4hqh6+0s0cI3lwhuz7pVc8pB/2Q=\n"
            "PresharedKey = FIOSf1fXw7v4fEX6ThmMNinU/B/q7gXP/dLnApwe9HI=\n"
            "AllowedIPs = 192.168.2.2/32, fd00::/64\n"
            "Endpoint = 192.0.2.1:4000\n"
            "PersistentKeepalive = 25\n"
            "\n"
            "[Peer]\n"
            "PublicKey = RzDMFL8PxfVnFIa6Y2wbLmDNXACA1P1bb1lSWkg8jCs=\n"
            "AllowedIPs = 192.168.2.3/32\n"
            "Endpoint = [2001:db8::3]:51820\n");
}

TEST(WgShowconf, PrintsABareInterface) {
  EXPECT_EQ(wg_showconf({}), "[Interface]\n\n");
}

TEST(WgText, ComesInPiecesOfWholePeers) {
  tunnel::TunnelStatus status = example();
  while (status.peers.size() < 1'000) status.peers.push_back(status.peers[1]);
  for (const WgFormat format : {WgFormat::kShow, WgFormat::kShowconf}) {
    WgText text(format, status, kNow);
    SecretText whole;
    std::size_t pieces = 0;
    for (bool more = true; more; ++pieces) {
      SecretText piece;
      more = text.append_next(piece);
      EXPECT_LT(piece.size(), WgText::kPieceBytes + 1'000);
      EXPECT_EQ(piece.back(), '\n');
      EXPECT_EQ(more, piece.size() >= WgText::kPieceBytes);
      whole += piece;
    }
    EXPECT_GT(pieces, 3u);
    EXPECT_EQ(std::string_view(whole), print(format, status));
  }
}

TEST(WgText, LeavesNoKeyInFreedMemory) {
  tunnel::TunnelStatus status = example();
  while (status.peers.size() < 100) status.peers.push_back(status.peers[1]);
  FreedMemoryWatch watch({"YDhkXqli1GUm", "FIOSf1fXw7v4"});
  watch.start();
  {
    WgText text(WgFormat::kShowconf, status, kNow);
    SecretText out;
    text.append_next(out);
  }
  EXPECT_GT(watch.blocks(), 300u);
  EXPECT_EQ(watch.finds(), 0u);
  {
    const std::string copy = reveal_base64(status.private_key);
  }
  EXPECT_EQ(watch.finds(), 1u) << "what is left is found";
  watch.stop();
}

}  // namespace
}  // namespace vpn::control
