#include "engine/uapi_client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <mutex>
#include <thread>

#include "base/test_directory.h"
#include "engine/uapi_server.h"

namespace vpn::engine {
namespace {

using namespace std::chrono_literals;
using protocol::InterfaceUpdate;
using protocol::PeerUpdate;

PublicKey key_of(std::uint32_t number) {
  PublicKey key;
  store_be32(key.bytes.data(), number);
  key.bytes[31] = 1;
  return key;
}

/// Talks to our own server, which keeps what it is told.
class UapiClientTest : public testing::Test {
 protected:
  UapiClientTest() {
    UapiHandler handler{.configure =
                            [this](const InterfaceUpdate& update) {
                              const std::lock_guard lock(mutex_);
                              told_.push_back(update);
                              return answer_;
                            },
                        .snapshot = [this] { return snapshot_; }};
    auto server = UapiServer::open(directory_.path(), "wg0", std::move(handler), clock_);
    EXPECT_TRUE(server);
    server_ = *std::move(server);
  }
  UapiClient client() {
    auto client = UapiClient::connect(directory_.path(), "wg0");
    EXPECT_TRUE(client) << client.error().message;
    return *std::move(client);
  }

  TestDirectory directory_;
  SystemClock clock_;
  std::mutex mutex_;
  std::vector<InterfaceUpdate> told_;
  Status answer_;
  protocol::InterfaceSnapshot snapshot_;
  std::unique_ptr<UapiServer> server_;
};

TEST_F(UapiClientTest, TellsEverythingThatUapiCanSay) {
  std::array<std::uint8_t, kKeySize> bytes{7};
  InterfaceUpdate update{
      .private_key = PrivateKey(bytes), .listen_port = 51820, .fwmark = 51821, .replace_peers = true};
  update.peers.push_back({.public_key = key_of(1),
                          .preshared_key = PresharedKey(bytes),
                          .endpoint = Endpoint::parse("[2001:db8::1]:51820"),
                          .persistent_keepalive_s = 25,
                          .replace_allowed_ips = true,
                          .allowed_ips = {{*IpPrefix::parse("10.0.0.0/8")}, {*IpPrefix::parse("::/0"), true}}});
  update.peers.push_back({.public_key = key_of(2), .remove = true, .update_only = true});
  const Status done = client().set(update);
  ASSERT_TRUE(done) << done.error().message;
  ASSERT_EQ(told_.size(), 1u);
  const InterfaceUpdate& told = told_[0];
  EXPECT_EQ(told.private_key, update.private_key);
  EXPECT_EQ(told.listen_port, 51820);
  EXPECT_EQ(told.fwmark, 51821u);
  EXPECT_TRUE(told.replace_peers);
  ASSERT_EQ(told.peers.size(), 2u);
  EXPECT_EQ(told.peers[0].public_key, key_of(1));
  EXPECT_EQ(told.peers[0].preshared_key, update.peers[0].preshared_key);
  EXPECT_EQ(told.peers[0].endpoint, update.peers[0].endpoint);
  EXPECT_EQ(told.peers[0].persistent_keepalive_s, 25);
  EXPECT_TRUE(told.peers[0].replace_allowed_ips);
  ASSERT_EQ(told.peers[0].allowed_ips.size(), 2u);
  EXPECT_FALSE(told.peers[0].allowed_ips[0].remove);
  EXPECT_TRUE(told.peers[0].allowed_ips[1].remove);
  EXPECT_TRUE(told.peers[1].remove);
  EXPECT_TRUE(told.peers[1].update_only);
}

TEST_F(UapiClientTest, SendsALargeConfigurationInPieces) {
  InterfaceUpdate update;
  for (std::uint32_t i = 0; i < 3000; ++i) {
    PeerUpdate& peer = update.peers.emplace_back(PeerUpdate{.public_key = key_of(i)});
    peer.allowed_ips.push_back({IpPrefix{IpAddress::v4(0x0a000000 + i), 32}});
  }
  ASSERT_TRUE(client().set(update));
  std::size_t peers = 0;
  for (const InterfaceUpdate& told : told_) {
    for (const PeerUpdate& peer : told.peers) peers += peer.update_only ? 0 : 1;
  }
  EXPECT_EQ(peers, 3000u);
}

TEST_F(UapiClientTest, ReadsBackWhatIsThere) {
  std::array<std::uint8_t, kKeySize> bytes{7};
  snapshot_.private_key = PrivateKey(bytes);
  snapshot_.listen_port = 51820;
  snapshot_.fwmark = 9;
  for (std::uint32_t i = 0; i < 2000; ++i) {
    protocol::PeerSnapshot& peer = snapshot_.peers.emplace_back();
    peer.public_key = key_of(i);
    peer.endpoint = *Endpoint::parse("192.0.2.1:51820");
    peer.persistent_keepalive_s = 25;
    peer.rx_bytes = 5;
    peer.allowed_ips = {IpPrefix{IpAddress::v4(0x0a000000 + i), 32}};
  }
  UapiClient asking = client();
  for (int round = 0; round < 2; ++round) {  // a connection serves more than one request
    const auto update = asking.get();
    ASSERT_TRUE(update) << update.error().message;
    EXPECT_EQ(update->private_key, snapshot_.private_key);
    EXPECT_EQ(update->listen_port, 51820);
    EXPECT_EQ(update->fwmark, 9u);
    ASSERT_EQ(update->peers.size(), 2000u);
    EXPECT_EQ(update->peers[1999].public_key, key_of(1999));
    EXPECT_EQ(update->peers[1999].endpoint, snapshot_.peers[1999].endpoint);
    EXPECT_EQ(update->peers[1999].allowed_ips.at(0).prefix, snapshot_.peers[1999].allowed_ips[0]);
  }
}

TEST_F(UapiClientTest, PassesARefusalOn) {
  answer_ = fail(ErrorCode::kUnavailable, "the port is taken");
  const Status done = client().set({.listen_port = 1});
  ASSERT_FALSE(done);
  EXPECT_THAT(done.error().message, testing::HasSubstr("errno "));
}

TEST_F(UapiClientTest, FindsNobody) {
  const auto other = UapiClient::connect(directory_.path(), "wg1");
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().code, ErrorCode::kNotFound);
}

TEST_F(UapiClientTest, HearsOfTheEnd) {
  UapiClient waiting = client();
  ASSERT_TRUE(waiting.get());  // it is served
  EXPECT_FALSE(waiting.wait_for_end(0ms));
  std::thread end([this] { server_.reset(); });
  EXPECT_TRUE(waiting.wait_for_end(10s));
  end.join();
}

}  // namespace
}  // namespace vpn::engine
