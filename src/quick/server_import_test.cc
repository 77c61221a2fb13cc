#include "quick/server_import.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "engine/crypto/x25519.h"
#include "quick/test_server_file.h"

namespace vpn::quick {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;
using testing::SizeIs;

constexpr const char* kAllowed = "0.0.0.0/0,::/0";

ServerImport imported(const std::string& peers,
                      const std::string& interface = "Address = 10.8.0.1/24\nListenPort = 51820\n") {
  const auto file =
      parse_wg_quick_file("[Interface]\nPrivateKey = " + std::string(kPrivate) + "\n" + interface + "\n" + peers);
  EXPECT_TRUE(file) << file.error().message;
  return import_server(*file, "wg0", kAllowed, WallTime(std::chrono::seconds(5)));
}

TEST(ServerImport, MakesAClientOfAPeer) {
  const ServerImport result = imported("# Name = alice\n[Peer]\nPublicKey = " + key(9) + "\nPresharedKey = " + key(8) +
                                       "\nAllowedIPs = 10.8.0.7/32\n");
  EXPECT_EQ(result.fault, "");
  EXPECT_THAT(result.unfit, IsEmpty());
  ASSERT_THAT(result.clients, SizeIs(1));
  const control::Client& client = result.clients[0];
  EXPECT_EQ(to_string(client.public_key), key(9));
  EXPECT_EQ(reveal_base64(*client.preshared_key), key(8));
  EXPECT_EQ(to_string(client.address), "10.8.0.7");
  EXPECT_EQ(client.allowed_ips, kAllowed);
  EXPECT_EQ(client.name, "alice");
  EXPECT_TRUE(client.enabled);
  EXPECT_EQ(client.created_at, WallTime(std::chrono::seconds(5)));
}

TEST(ServerImport, TellsTheSettings) {
  const ServerImport result = imported("",
                                       "Address = fd00::1/64, 10.8.0.1/24\nListenPort = 4500\nMTU = 1380\n"
                                       "PostUp = iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE\n");
  EXPECT_THAT(result.settings,
              ElementsAre(Pair("WG_SUBNET", "10.8.0.1/24"), Pair("WG_SUBNET6", "fd00::1/64"), Pair("WG_PORT", "4500"),
                          Pair("WG_INTERFACE", "wg0"), Pair("WG_MTU", "1380"), Pair("NAT", "on")));
  EXPECT_THAT(imported("").settings, Contains(Pair("NAT", "off")));
}

TEST(ServerImport, NeedsASubnet) {
  for (const char* interface : {"", "Address = 10.8.0.1/32\n", "Address = fd00::1/64\n", "Address = 10.8.0.0/24\n"}) {
    EXPECT_THAT(imported(peer(9, "10.8.0.7/32"), interface).fault, HasSubstr("for example Address = 10.8.0.1/24"))
        << interface;
  }
}

TEST(ServerImport, NamesEveryPeerThatIsNoClient) {
  const ServerImport result =
      imported(peer(2, "10.8.0.2/32", "bob") + peer(3, "10.8.0.3/32, 192.168.7.0/24", "branch office") +
               peer(4, "10.9.0.4/32") + peer(5, "10.8.0.2/32") + peer(2, "10.8.0.6/32") + peer(6, "") +
               peer(7, "10.8.0.0/24") + peer(8, "10.8.0.1/32") + peer(9, "10.8.0.9/32, fd00::/64"));
  EXPECT_THAT(result.clients, SizeIs(1));
  EXPECT_THAT(
      result.unfit,
      ElementsAre(HasSubstr("(branch office): AllowedIPs = 10.8.0.3/32, 192.168.7.0/24: a client has one address"),
                  HasSubstr("AllowedIPs = 10.9.0.4/32 is no address for a client in 10.8.0.0/24"),
                  HasSubstr("its address 10.8.0.2 is that of line "), HasSubstr("its PublicKey is that of line "),
                  HasSubstr("a client has one address"), HasSubstr("a client has one address"),
                  HasSubstr("10.8.0.1/32 is no address for a client"), HasSubstr("a client has one address")));
}

TEST(ServerImport, RefusesTheServersOwnKeyAndPointsOfLowOrder) {
  const std::string own = to_string(engine::crypto::derive_public_key(*PrivateKey::parse(kPrivate)));
  const std::string low = "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
  const ServerImport result =
      imported("[Peer]\nPublicKey = " + own + "\nAllowedIPs = 10.8.0.2/32\n[Peer]\nPublicKey = " + low +
               "\nAllowedIPs = 10.8.0.3/32\n");
  EXPECT_THAT(result.unfit, ElementsAre(HasSubstr("is the server's own"), HasSubstr("low order")));
}

TEST(ServerImport, SaysWhatHasACounterpart) {
  const ServerImport result =
      imported(peer(2, "10.8.0.2/32, fd00::2/128"),
               "Address = 10.8.0.1/24, 10.9.0.1/24\nDNS = 1.1.1.1\nTable = off\nFwMark = 1\nSaveConfig = true\n"
               "PostUp = iptables -t nat -A POSTROUTING -o eth0 -j MASQUERADE\n"
               "PostUp = sysctl -w net.ipv4.ip_forward=1\nPostUp = iptables -A FORWARD -i %i -j ACCEPT\n"
               "PostDown = iptables -t nat -D POSTROUTING -o eth0 -j MASQUERADE\nPostUp = logger up\n");
  EXPECT_THAT(result.clients, SizeIs(1));
  EXPECT_THAT(result.notes, Contains("PostUp in line 8, PostDown in line 11: NAT=on does this"));
  EXPECT_THAT(result.notes, Contains(HasSubstr("PostUp in line 9: the gateway switches forwarding on")));
  EXPECT_THAT(result.notes, Contains(HasSubstr("PostUp in line 10: PEER_ALLOWED_IPS says")));
  EXPECT_THAT(result.notes, Contains(HasSubstr("PostUp in line 12: has no counterpart")));
  for (const char* part : {"10.9.0.1/24 is left out: a gateway has one subnet",
                           "DNS: ", "Table: ", "FwMark: ", "SaveConfig: ", "there is no ListenPort"}) {
    EXPECT_THAT(result.notes, Contains(HasSubstr(part)));
  }
}

constexpr const char* kBothFamilies = "Address = 10.8.0.1/24, fd00:8::1/64\nListenPort = 51820\n";

TEST(ServerImport, TakesTheIpv6AddressThatEveryGatewayDerives) {
  const ServerImport result = imported(
      peer(2, "10.8.0.2/32, fd00:8::a08:2/128") + peer(3, "fd00:8::10.8.0.3/128, 10.8.0.3/32") + peer(4, "10.8.0.4/32"),
      kBothFamilies);
  EXPECT_THAT(result.clients, SizeIs(3));
  EXPECT_THAT(result.notes, IsEmpty());
  EXPECT_THAT(result.settings, Contains(Pair("WG_SUBNET6", "fd00:8::1/64")));
}

TEST(ServerImport, NamesThePeerWhoseIpv6AddressIsAnother) {
  const ServerImport result =
      imported(peer(2, "10.8.0.2/32, fd00:8::a08:2/128") + peer(3, "10.8.0.3/32, fd00:8::3/128", "bob"), kBothFamilies);
  EXPECT_THAT(result.clients, SizeIs(2)) << "its IPv4 goes on";
  EXPECT_THAT(
      result.notes,
      ElementsAre("line 11 (bob): its IPv6 address fd00:8::3 is not the one that goes with 10.8.0.3: it has IPv4 alone "
                  "until its own file says Address = 10.8.0.3/32, fd00:8::a08:3/128"));
}

TEST(ServerImport, SaysWhyTheVpnHasNoIpv6) {
  const std::string client = peer(2, "10.8.0.2/32, fd00:8::2/128");
  const auto left_out = HasSubstr("its IPv6 address fd00:8::2 is left out, and it has IPv4 alone");
  EXPECT_THAT(imported(client).notes, ElementsAre(left_out));
  const ServerImport small = imported(client, "Address = 10.8.0.1/24, fd00:8::1/112\nListenPort = 51820\n");
  EXPECT_THAT(
      small.notes,
      ElementsAre(
          HasSubstr("Address = fd00:8::1/112 is left out: as WG_SUBNET6 it needs a prefix length from 16 to 96"),
          left_out));
  EXPECT_THAT(small.settings, Not(Contains(Pair("WG_SUBNET6", testing::_))));
  EXPECT_THAT(imported("", "Address = 10.8.0.1/24, fd00:8::1/64, fd00:9::1/64\nListenPort = 51820\n").notes,
              ElementsAre("Address = fd00:9::1/64 is left out: a gateway has one subnet of each family"));
}

TEST(ServerImport, GivesANameOnce) {
  const ServerImport result = imported(peer(2, "10.8.0.2/32", "alice") + peer(3, "10.8.0.3/32", "alice"));
  ASSERT_THAT(result.clients, SizeIs(2));
  EXPECT_EQ(result.clients[0].name, "alice");
  EXPECT_EQ(result.clients[1].name, "");
  EXPECT_THAT(result.notes, ElementsAre(HasSubstr("another peer has that name")));
}

struct Named {
  std::vector<Comment> comments;
  const char* name;
};

TEST(NameOf, KnowsHowPeopleAndToolsWriteIt) {
  const std::string uuid = "0b1c2d3e-0000-4000-8000-0123456789ab";
  const std::vector<Named> cases = {
      {{{"Name = alice"}}, "alice"},
      {{{"name: alice's laptop"}}, "alice's laptop"},
      {{{"Client: alice (" + uuid + ")", true}}, "alice"},
      {{{"Client alice", true}}, "alice"},
      {{{"begin alice ###", true}}, "alice"},
      {{{"end bob ###", true}, {"begin alice ###", true}}, "alice"},
      {{{"BEGIN_PEER alice", true}}, "alice"},
      {{{"END_PEER bob", true}, {"alice", true}}, "alice"},
      {{{"friendly_name=alice"}}, "alice"},
      {{{"alice", true}}, "alice"},
      {{{"the laptop", true}, {"Name = alice"}}, "alice"},
      {{{"Named after nobody", true}}, "Named after nobody"},
      {{{"alice", false}}, ""},
      {{{"Name = "}}, ""},
      {{{"Name = " + std::string(65, 'x')}}, ""},
      {{{"Name = a\x1b[2Jb"}}, ""},
      {{}, ""},
  };
  for (const Named& each : cases) {
    FilePeer peer;
    peer.comments = each.comments;
    EXPECT_EQ(name_of(peer), each.name) << (each.comments.empty() ? "" : each.comments[0].text);
  }
}

}  // namespace
}  // namespace vpn::quick
