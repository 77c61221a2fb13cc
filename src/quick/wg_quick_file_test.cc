#include "quick/wg_quick_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace vpn::quick {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr const char* kPrivate = "yAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";
constexpr const char* kPublic = "xTIBA5rboUvnH4htodjb6e697QjLERt1NAB4mZqp8Dg=";
constexpr const char* kPreshared = "FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE=";

std::string with_interface(const std::string& lines) {
  return "[Interface]\nPrivateKey = " + std::string(kPrivate) + "\n" + lines;
}

std::string with_peer(const std::string& lines) {
  return with_interface("[Peer]\nPublicKey = " + std::string(kPublic) + "\n" + lines);
}

WgQuickFile parsed(const std::string& text) {
  auto file = parse_wg_quick_file(text);
  EXPECT_TRUE(file) << file.error().message;
  return file ? *std::move(file) : WgQuickFile();
}

Error refusal(const std::string& text) {
  const auto file = parse_wg_quick_file(text);
  EXPECT_FALSE(file) << text;
  return file ? Error() : file.error();
}

std::vector<std::string> texts(const auto& values) {
  std::vector<std::string> result;
  for (const auto& value : values) result.push_back(to_string(value));
  return result;
}

using Texts = std::vector<std::string>;

TEST(WgQuickFile, ReadsEveryKey) {
  const WgQuickFile file = parsed(
      "# the office\n"
      "[Interface]\n"
      "PrivateKey = " +
      std::string(kPrivate) +
      "\n"
      "ListenPort = 51820\nFwMark = 0xca6c\nAddress = 10.8.0.2/24, fd00::2/64\nAddress = 10.9.0.2\n"
      "DNS = 10.8.0.1, fd00::1 example.org\nMTU = 1380\nTable = 1234\nSaveConfig = true\n"
      "PostUp = iptables -A FORWARD -i %i -j ACCEPT # as ever\n"
      "[Peer]\n"
      "PublicKey = " +
      kPublic + "\nPresharedKey = " + kPreshared +
      "\n"
      "AllowedIPs = 10.8.0.7/24, ::/0\nAllowedIPs = 192.0.2.1\n"
      "Endpoint = vpn.example.org:51821\nPersistentKeepalive = 25\n");
  EXPECT_EQ(reveal_base64(file.private_key), kPrivate);
  EXPECT_EQ(file.listen_port, 51820);
  EXPECT_EQ(file.fwmark, 0xca6cu);
  EXPECT_EQ(texts(file.addresses), (Texts{"10.8.0.2/24", "fd00::2/64", "10.9.0.2/32"}));
  EXPECT_EQ(texts(file.dns_servers), (Texts{"10.8.0.1", "fd00::1"}));
  EXPECT_EQ(file.dns_search, Texts{"example.org"});
  EXPECT_EQ(file.mtu_bytes, 1380);
  EXPECT_EQ(file.table.kind, RoutingTable::Kind::kNumber);
  EXPECT_EQ(file.table.number, 1234u);
  EXPECT_TRUE(file.save_config);
  ASSERT_EQ(file.hooks.size(), 1u);
  EXPECT_EQ(file.hooks[0].key, "PostUp");
  EXPECT_EQ(file.hooks[0].command, "iptables -A FORWARD -i %i -j ACCEPT");
  EXPECT_EQ(file.hooks[0].line, 12);
  ASSERT_EQ(file.peers.size(), 1u);
  const FilePeer& peer = file.peers[0];
  EXPECT_EQ(to_string(peer.public_key), kPublic);
  EXPECT_EQ(reveal_base64(*peer.preshared_key), kPreshared);
  EXPECT_EQ(texts(peer.allowed_ips), (Texts{"10.8.0.0/24", "::/0", "192.0.2.1/32"}));
  EXPECT_EQ(peer.endpoint->host, "vpn.example.org");
  EXPECT_EQ(peer.endpoint->port, 51821);
  EXPECT_EQ(peer.persistent_keepalive_s, 25);
  EXPECT_EQ(peer.line, 13);
}

TEST(WgQuickFile, HasTheDefaultsOfStockTools) {
  const WgQuickFile file = parsed(with_peer(""));
  EXPECT_EQ(file.listen_port, 0);
  EXPECT_EQ(file.fwmark, 0u);
  EXPECT_EQ(file.table.kind, RoutingTable::Kind::kAuto);
  EXPECT_FALSE(file.mtu_bytes);
  EXPECT_FALSE(file.save_config);
  EXPECT_EQ(file.peers.at(0).persistent_keepalive_s, 0);
  EXPECT_FALSE(file.peers.at(0).endpoint);
}

TEST(WgQuickFile, TakesKeysInAnyCaseSpacesTabsCarriageReturnsAndNoLastNewline) {
  const WgQuickFile file =
      parsed("\xef\xbb\xbf[INTERFACE]\r\n\tprivatekey=" + std::string(kPrivate) +
             "\r\n  address\t=10.8.0.2/24\r\n\r\n[peer]\r\nPUBLICKEY = " + kPublic + "\r\nallowedips=10.8.0.0/24");
  EXPECT_EQ(texts(file.addresses), Texts{"10.8.0.2/24"});
  EXPECT_EQ(texts(file.peers.at(0).allowed_ips), Texts{"10.8.0.0/24"});
}

TEST(WgQuickFile, TakesTheLaterOfTwoAndAllOfAList) {
  const WgQuickFile file =
      parsed(with_interface("MTU = 1400\nMTU = 1300\nAddress = 10.0.0.1/8\nAddress = 10.0.0.1/8\n"));
  EXPECT_EQ(file.mtu_bytes, 1300);
  EXPECT_EQ(texts(file.addresses), Texts{"10.0.0.1/8"});
}

TEST(WgQuickFile, KnowsOffAutoAndNumbers) {
  EXPECT_EQ(parsed(with_interface("Table = off\n")).table.kind, RoutingTable::Kind::kOff);
  EXPECT_EQ(parsed(with_interface("Table = auto\n")).table.kind, RoutingTable::Kind::kAuto);
  EXPECT_EQ(parsed(with_interface("Table = main\n")).table.number, 254u);
  EXPECT_EQ(parsed(with_interface("FwMark = off\n")).fwmark, 0u);
  EXPECT_EQ(parsed(with_interface("FwMark = 51820\n")).fwmark, 51820u);
  EXPECT_EQ(parsed(with_peer("PersistentKeepalive = off\n")).peers.at(0).persistent_keepalive_s, 0);
  EXPECT_THAT(parsed(with_peer("AllowedIPs = \n")).peers.at(0).allowed_ips, IsEmpty());
}

TEST(WgQuickFile, KnowsEveryKindOfEndpoint) {
  const auto endpoint = [](const std::string& value) {
    return parsed(with_peer("Endpoint = " + value + "\n")).peers.at(0).endpoint->host;
  };
  EXPECT_EQ(endpoint("192.0.2.1:51820"), "192.0.2.1");
  EXPECT_EQ(endpoint("[2001:db8::1]:51820"), "2001:db8::1");
  EXPECT_EQ(endpoint("[fe80::1%eth0]:51820"), "fe80::1%eth0");
  EXPECT_EQ(endpoint("vpn-1.example.org.:51820"), "vpn-1.example.org.");
}

TEST(WgQuickFile, KeepsThePlaceOfComments) {
  const WgQuickFile file = parsed(with_interface(
      "# of the interface\n"
      "\n### begin alice ###\n[Peer] # laptop\n# below\nPublicKey = " +
      std::string(kPublic) + " # inside\n# also inside\n\n# above, apart\n\n[Peer]\nPublicKey = " + kPublic + "\n"));
  ASSERT_EQ(file.peers.size(), 2u);
  Texts all;
  for (const Comment& comment : file.peers[0].comments) all.push_back((comment.at_header ? "+" : "-") + comment.text);
  EXPECT_EQ(all, (Texts{"+begin alice ###", "+laptop", "+below", "-inside", "-also inside", "-above, apart"}));
  EXPECT_THAT(file.peers[1].comments, IsEmpty());
}

TEST(WgQuickFile, BoundsComments) {
  std::string lines = "# first\n";
  for (int i = 0; i < 100; ++i) lines += "# " + std::string(1000, 'x') + "\n";
  lines += "# nearest\n[Peer]\nPublicKey = " + std::string(kPublic) + "\n";
  const auto comments = parsed(with_interface(lines)).peers.at(0).comments;
  ASSERT_EQ(comments.size(), kMaxComments);
  EXPECT_EQ(comments.back().text, "nearest");
  EXPECT_EQ(comments.front().text.size(), kMaxCommentBytes);
}

struct Bad {
  const char* lines;
  const char* says;
};

class WgQuickFileRefuses : public testing::TestWithParam<Bad> {};

TEST_P(WgQuickFileRefuses, WithLineFaultAndExample) {
  const Error error = refusal(with_peer(GetParam().lines));
  EXPECT_EQ(error.code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(error.message, HasSubstr("line "));
  EXPECT_THAT(error.message, HasSubstr(GetParam().says));
}

INSTANTIATE_TEST_SUITE_P(
    Values, WgQuickFileRefuses,
    testing::Values(Bad{"PublicKey = short\n", "PublicKey=\"short\" is not a key"},
                    Bad{"PresharedKey = short\n", "PresharedKey is not a key: 44 base64 characters; for example"},
                    Bad{"AllowedIPs = 10.0.0.0/33\n", "which is not a network; for example AllowedIPs = 10.8.0.0/24"},
                    Bad{"AllowedIPs = +10.0.0.0/8\n", "which is not a network"},
                    Bad{"Endpoint = vpn.example.org\n", "has no port; for example Endpoint = vpn.example.org:51820"},
                    Bad{"Endpoint = vpn.example.org:0\n", "has no port number from 1 to 65535"},
                    Bad{"Endpoint = 2001:db8::1:51820\n", "is not an address or a host name with a port"},
                    Bad{"Endpoint = [192.0.2.1]:51820\n", "is not an address or a host name with a port"},
                    Bad{"Endpoint = a b:51820\n", "is not an address or a host name with a port"},
                    Bad{"PersistentKeepalive = -1\n", "is neither off nor seconds from 0 to 65535"},
                    Bad{"MTU = 1420\n", "\"MTU\" is no key of [Peer]; there are PrivateKey, "},
                    Bad{"[Peers]\n", "\"[Peers]\" is neither [Interface] nor [Peer]"},
                    Bad{"[Peer]\nAllowedIPs = ::/0\n", "this [Peer] has no PublicKey"},
                    Bad{"ListenPort\n", "is not KEY = VALUE"},
                    Bad{"[Interface]\nListenPort = 65536\n", "is not a number from 0 to 65535"},
                    Bad{"[Interface]\nFwMark = 0x1ffffffff\n", "is neither off nor a number of 32 bits"},
                    Bad{"[Interface]\nFwMark = 0x\n", "is neither off nor a number of 32 bits"},
                    Bad{"[Interface]\nAddress = 10.8.0.2/24, 10.8.0\n", "holds \"10.8.0\", which is not an address"},
                    Bad{"[Interface]\nDNS = 10.8.0\n", "which is neither an IP address nor a domain"},
                    Bad{"[Interface]\nDNS = a;b\n", "which is neither an IP address nor a domain"},
                    Bad{"[Interface]\nMTU = 100\n", "is not a number of bytes from 576 to 65535"},
                    Bad{"[Interface]\nTable = vpn\n", "is neither auto, off nor the number of a routing table"},
                    Bad{"[Interface]\nTable = 0\n", "is neither auto, off nor the number of a routing table"},
                    Bad{"[Interface]\nSaveConfig = yes\n", "is neither true nor false; for example SaveConfig = false"},
                    Bad{"[Interface]\nPublicKey = a\n", "\"PublicKey\" is no key of [Interface]"},
                    Bad{"[Interface]\nPrivateKey = AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n",
                        "PrivateKey is all zeros"}));

TEST(WgQuickFile, NeedsAPrivateKey) {
  EXPECT_THAT(refusal("").message, HasSubstr("[Interface] has no PrivateKey"));
  EXPECT_THAT(refusal("[Interface]\nAddress = 10.8.0.2/24\n").message, HasSubstr("[Interface] has no PrivateKey"));
  EXPECT_THAT(refusal("ListenPort = 1\n").message, HasSubstr("line 1: \"ListenPort\" stands before [Interface]"));
}

TEST(WgQuickFile, RepeatsNoSecret) {
  const std::string secret = kPrivate;
  for (const std::string& text :
       {secret + "\n", "[Interface]\n" + secret + "\n", "[Interface]\nPrivateKey " + secret + "\n",
        "[Interface]\nPrivateKey = " + secret + "x\n", "[Interface]\nPrivate Key = " + secret + "\n",
        with_peer("PresharedKey = x" + secret + "\n"), with_peer(secret + "\n"), secret.substr(0, 43) + "\n"}) {
    EXPECT_THAT(refusal(text).message, Not(HasSubstr(secret.substr(0, 20)))) << text;
  }
}

TEST(WgQuickFile, ShowsNoControlCharacter) {
  EXPECT_THAT(refusal(with_interface("Address = \x1b[2J\n")).message, Not(HasSubstr("\x1b")));
}

TEST(WgQuickFile, BoundsListsAndSize) {
  std::string addresses = "Address = ";
  for (int i = 0; i < 2000; ++i) addresses += "10.0." + std::to_string(i / 256) + "." + std::to_string(i % 256) + " ";
  EXPECT_THAT(refusal(with_interface(addresses + "\n")).message, HasSubstr("is one address too many"));
  std::string hooks;
  for (int i = 0; i < 2000; ++i) hooks += "PostUp = true\n";
  EXPECT_THAT(refusal(with_interface(hooks)).message, HasSubstr("PostUp is one line too many"));
  EXPECT_THAT(refusal(std::string(kMaxFileBytes + 1, '\n')).message, HasSubstr("larger than"));
}

// Whatever stands in a file, it ends with a value or an error.
TEST(WgQuickFile, SurvivesTruncationAndNoise) {
  const std::string whole = with_peer("# Name = alice\nPresharedKey = " + std::string(kPreshared) +
                                      "\nAllowedIPs = 10.8.0.0/24, ::/0\nEndpoint = [fe80::1%eth0]:51820\n");
  for (std::size_t size = 0; size <= whole.size(); ++size) (void)parse_wg_quick_file(whole.substr(0, size));
  std::minstd_rand random(1);
  for (int round = 0; round < 20'000; ++round) {
    std::string text = whole;
    for (int change = 0; change < 3; ++change) text[random() % text.size()] = static_cast<char>(random());
    (void)parse_wg_quick_file(text);
  }
}

}  // namespace
}  // namespace vpn::quick
