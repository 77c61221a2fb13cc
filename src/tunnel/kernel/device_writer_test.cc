#include "tunnel/kernel/device_writer.h"

#include <gmock/gmock.h>
#include <linux/genetlink.h>
#include <linux/wireguard.h>

#include <map>
#include <string>
#include <vector>

#include "base/random.h"
#include "netlink/attributes.h"

namespace vpn::tunnel {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr std::uint16_t kFamily = 0x1d;
constexpr std::uint32_t kIndex = 7;

using Attributes = std::map<std::uint16_t, std::string>;  // type -> bytes

std::string bytes_text(const nlattr& attribute) {
  const ByteView bytes = netlink::bytes_of(attribute);
  return {bytes.begin(), bytes.end()};
}

template <typename T>
std::string text_of_value(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

std::string text_of_key(ByteView key) {
  return {key.begin(), key.end()};
}

// What the kernel would see of a peer: its attributes, and its allowed IPs in order.
struct SentPeer {
  Attributes attributes;
  std::vector<Attributes> allowed_ips;
};

struct SentMessage {
  Attributes device;
  std::vector<SentPeer> peers;
};

SentPeer read_peer(const nlattr& nest) {
  SentPeer peer;
  netlink::for_each_attribute(nest, [&](const nlattr& attribute) {
    if (netlink::type_of(attribute) != WGPEER_A_ALLOWEDIPS) {
      peer.attributes.emplace(netlink::type_of(attribute), bytes_text(attribute));
      return;
    }
    netlink::for_each_attribute(attribute, [&](const nlattr& entry) {
      Attributes& prefix = peer.allowed_ips.emplace_back();
      netlink::for_each_attribute(
          entry, [&](const nlattr& part) { prefix.emplace(netlink::type_of(part), bytes_text(part)); });
    });
  });
  return peer;
}

class DeviceWriterTest : public ::testing::Test {
 protected:
  PublicKey new_key() {
    PublicKey key;
    random_.fill(key.bytes);
    return key;
  }

  static std::vector<IpPrefix> prefixes(std::uint32_t count) {
    std::vector<IpPrefix> result;
    for (std::uint32_t i = 0; i < count; ++i) result.push_back({IpAddress::v4(0x0a000000 + i), 32});
    return result;
  }

  Status take(netlink::Request& message) {
    const nlmsghdr& header = *message.header();
    EXPECT_EQ(header.nlmsg_type, kFamily);
    EXPECT_LE(header.nlmsg_len, DeviceWriter::kMessageBytes);
    const auto& generic = *static_cast<const genlmsghdr*>(mnl_nlmsg_get_payload(&header));
    EXPECT_EQ(generic.cmd, WG_CMD_SET_DEVICE);
    EXPECT_EQ(generic.version, WG_GENL_VERSION);
    SentMessage& sent = sent_.emplace_back();
    netlink::for_each_attribute(header, sizeof(genlmsghdr), [&sent](const nlattr& attribute) {
      if (netlink::type_of(attribute) != WGDEVICE_A_PEERS) {
        sent.device.emplace(netlink::type_of(attribute), bytes_text(attribute));
        return;
      }
      netlink::for_each_attribute(attribute, [&sent](const nlattr& nest) { sent.peers.push_back(read_peer(nest)); });
    });
    EXPECT_EQ(sent.device[WGDEVICE_A_IFINDEX], text_of_value(kIndex));
    if (sent_.size() == refused_message_) return fail(ErrorCode::kExhausted, "refused");
    return {};
  }

  SeededRandom random_{1};
  std::vector<SentMessage> sent_;
  std::size_t refused_message_ = 0;  // 1: the first
  DeviceWriter writer_{kFamily, kIndex, [this](netlink::Request& message) { return take(message); }};
};

TEST_F(DeviceWriterTest, SendsNothingWhenNothingChanges) {
  EXPECT_TRUE(writer_.finish());
  EXPECT_THAT(sent_, IsEmpty());
}

TEST_F(DeviceWriterTest, PutsKeyPortAndMarkIntoOneMessage) {
  PrivateKey key;
  random_.fill(key.reveal_mutable());
  writer_.set_listen_port(51820);
  writer_.set_fwmark(51821);
  writer_.set_private_key(key);
  ASSERT_TRUE(writer_.finish());
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_EQ(sent_[0].device[WGDEVICE_A_PRIVATE_KEY], text_of_key(key.reveal()));
  EXPECT_EQ(sent_[0].device[WGDEVICE_A_LISTEN_PORT], text_of_value(std::uint16_t{51820}));
  EXPECT_EQ(sent_[0].device[WGDEVICE_A_FWMARK], text_of_value(std::uint32_t{51821}));
}

TEST_F(DeviceWriterTest, WritesWhatChangesOfAPeerAndNoMore) {
  const PublicKey full = new_key(), bare = new_key();
  PresharedKey preshared_key;
  random_.fill(preshared_key.reveal_mutable());
  const std::vector<IpPrefix> allowed_ips = {*IpPrefix::parse("10.0.0.1/32"), *IpPrefix::parse("fd00::/64")};
  ASSERT_TRUE(writer_.add({.public_key = full,
                           .flags = WGPEER_F_REPLACE_ALLOWEDIPS,
                           .preshared_key = preshared_key,
                           .persistent_keepalive_s = 25,
                           .endpoint = *Endpoint::parse("192.0.2.1:4242"),
                           .allowed_ips = allowed_ips}));
  ASSERT_TRUE(writer_.add({.public_key = bare}));
  ASSERT_TRUE(writer_.finish());
  ASSERT_THAT(sent_, SizeIs(1));
  ASSERT_THAT(sent_[0].peers, SizeIs(2));

  const auto& [attributes, prefixes] = sent_[0].peers[0];
  sockaddr_storage address{};
  const socklen_t size = Endpoint::parse("192.0.2.1:4242")->to_sockaddr(address);
  const Attributes expected = {{WGPEER_A_PUBLIC_KEY, text_of_key(full.bytes)},
                               {WGPEER_A_FLAGS, text_of_value(std::uint32_t{WGPEER_F_REPLACE_ALLOWEDIPS})},
                               {WGPEER_A_PRESHARED_KEY, text_of_key(preshared_key.reveal())},
                               {WGPEER_A_PERSISTENT_KEEPALIVE_INTERVAL, text_of_value(std::uint16_t{25})},
                               {WGPEER_A_ENDPOINT, std::string(reinterpret_cast<const char*>(&address), size)}};
  EXPECT_EQ(attributes, expected);
  const std::string v6 = text_of_key(allowed_ips[1].address.bytes());
  EXPECT_THAT(prefixes, ElementsAre(Attributes{{WGALLOWEDIP_A_FAMILY, text_of_value(std::uint16_t{AF_INET})},
                                               {WGALLOWEDIP_A_IPADDR, {"\x0a\0\0\1", 4}},
                                               {WGALLOWEDIP_A_CIDR_MASK, "\x20"}},
                                    Attributes{{WGALLOWEDIP_A_FAMILY, text_of_value(std::uint16_t{AF_INET6})},
                                               {WGALLOWEDIP_A_IPADDR, v6},
                                               {WGALLOWEDIP_A_CIDR_MASK, "\x40"}}));
  EXPECT_EQ(sent_[0].peers[1].attributes, (Attributes{{WGPEER_A_PUBLIC_KEY, text_of_key(bare.bytes)}}));
}

TEST_F(DeviceWriterTest, SplitsPeersOverFullMessages) {
  constexpr std::size_t kPeers = 1000;
  const std::vector<IpPrefix> address = prefixes(1);
  std::vector<std::string> keys;
  for (std::size_t i = 0; i < kPeers; ++i) {
    const PublicKey key = new_key();
    keys.push_back(text_of_key(key.bytes));
    ASSERT_TRUE(writer_.add({.public_key = key, .preshared_key = PresharedKey(), .allowed_ips = address}));
  }
  ASSERT_TRUE(writer_.finish());
  std::vector<std::string> sent;
  for (SentMessage& message : sent_) {
    for (SentPeer& peer : message.peers) sent.push_back(peer.attributes[WGPEER_A_PUBLIC_KEY]);
  }
  EXPECT_EQ(sent, keys);
  EXPECT_GT(sent_.size(), 1u);
  for (std::size_t i = 0; i + 1 < sent_.size(); ++i) EXPECT_GT(sent_[i].peers.size(), 200u) << "message " << i;
}

// A continuation that replaced the allowed IPs again would lose those of the message before it.
TEST_F(DeviceWriterTest, ContinuesAPeersAllowedIpsWithoutReplacingThemAgain) {
  constexpr std::uint32_t kAllowedIps = 5000;
  const PublicKey key = new_key();
  const std::vector<IpPrefix> allowed_ips = prefixes(kAllowedIps);
  ASSERT_TRUE(writer_.add({.public_key = key,
                           .flags = WGPEER_F_REPLACE_ALLOWEDIPS,
                           .preshared_key = PresharedKey(),
                           .allowed_ips = allowed_ips}));
  ASSERT_TRUE(writer_.finish());
  ASSERT_GT(sent_.size(), 2u);
  std::uint32_t count = 0;
  for (std::size_t i = 0; i < sent_.size(); ++i) {
    ASSERT_THAT(sent_[i].peers, SizeIs(1));
    SentPeer& peer = sent_[i].peers[0];
    EXPECT_EQ(peer.attributes[WGPEER_A_PUBLIC_KEY], text_of_key(key.bytes));
    const std::uint32_t flags = i == 0 ? WGPEER_F_REPLACE_ALLOWEDIPS : WGPEER_F_UPDATE_ONLY;
    EXPECT_EQ(peer.attributes[WGPEER_A_FLAGS], text_of_value(flags));
    EXPECT_EQ(peer.attributes.contains(WGPEER_A_PRESHARED_KEY), i == 0);
    for (Attributes& prefix : peer.allowed_ips) {
      EXPECT_EQ(prefix[WGALLOWEDIP_A_IPADDR], text_of_key(allowed_ips[count++].address.bytes()));
    }
  }
  EXPECT_EQ(count, kAllowedIps);
}

// Whatever is left of room at the end of a message: nothing is cut, nothing written past the end.
TEST_F(DeviceWriterTest, FitsPeersOfAnySizeIntoMessages) {
  std::size_t allowed_ip_count = 0;
  const std::vector<IpPrefix> all = prefixes(64);
  for (std::uint32_t i = 0; i < 2000; ++i) {
    const std::size_t count = random_.below(64);
    allowed_ip_count += count;
    PeerChange change{.public_key = new_key(), .flags = WGPEER_F_REPLACE_ALLOWEDIPS};
    if (random_.below(2) == 0) change.preshared_key = PresharedKey();
    if (random_.below(2) == 0) change.endpoint = *Endpoint::parse("[2001:db8::1]:9");
    change.allowed_ips = std::span(all).first(count);
    ASSERT_TRUE(writer_.add(change));
  }
  ASSERT_TRUE(writer_.finish());
  for (const SentMessage& message : sent_) {
    for (const SentPeer& peer : message.peers) allowed_ip_count -= peer.allowed_ips.size();
  }
  EXPECT_EQ(allowed_ip_count, 0u);
}

TEST_F(DeviceWriterTest, EndsWithTheFirstMessageThatIsRefused) {
  refused_message_ = 2;
  const std::vector<IpPrefix> allowed_ips = prefixes(5000);
  const Status status = writer_.add({.public_key = new_key(), .allowed_ips = allowed_ips});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kExhausted);
  EXPECT_THAT(sent_, SizeIs(2));
}

}  // namespace
}  // namespace vpn::tunnel
