#include "engine/uapi.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "base/encoding.h"

namespace vpn::engine {
namespace {

using protocol::InterfaceSnapshot;
using protocol::InterfaceUpdate;
using protocol::PeerSnapshot;
using protocol::PeerUpdate;

// 32 bytes of one value, and their hex.
std::string hex_key(std::uint8_t value) {
  return hex_encode(std::array<std::uint8_t, 32>{value});
}
PublicKey public_key(std::uint8_t value) {
  return {{value}};
}

int add(UapiSetRequest& request, const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    if (const int error = request.add_line(line); error != 0) return error;
  }
  return 0;
}

TEST(UapiSet, ReadsEveryKeyOfTheDevice) {
  UapiSetRequest request;
  ASSERT_EQ(add(request, {"private_key=" + hex_key(7), "listen_port=51820", "fwmark=4294967295", "replace_peers=true"}),
            0);
  const InterfaceUpdate update = request.take();
  EXPECT_EQ(update.private_key->reveal()[0], 7);
  EXPECT_EQ(update.listen_port, 51820);
  EXPECT_EQ(update.fwmark, 4294967295u);
  EXPECT_TRUE(update.replace_peers);
  EXPECT_TRUE(update.peers.empty());
}

TEST(UapiSet, ReadsEveryKeyOfAPeer) {
  UapiSetRequest request;
  ASSERT_EQ(
      add(request, {"public_key=" + hex_key(1), "protocol_version=1", "update_only=true", "preshared_key=" + hex_key(9),
                    "endpoint=[2001:db8::1]:51820", "persistent_keepalive_interval=25", "replace_allowed_ips=true",
                    "allowed_ip=10.0.0.7/24", "allowed_ip=-fd00::/64", "public_key=" + hex_key(2), "remove=true"}),
      0);
  const InterfaceUpdate update = request.take();
  ASSERT_EQ(update.peers.size(), 2u);
  const PeerUpdate& peer = update.peers[0];
  EXPECT_EQ(peer.public_key, public_key(1));
  EXPECT_TRUE(peer.update_only);
  EXPECT_FALSE(peer.remove);
  EXPECT_EQ(peer.preshared_key->reveal()[0], 9);
  EXPECT_EQ(to_string(*peer.endpoint), "[2001:db8::1]:51820");
  EXPECT_EQ(peer.persistent_keepalive_s, 25);
  EXPECT_TRUE(peer.replace_allowed_ips);
  ASSERT_EQ(peer.allowed_ips.size(), 2u);
  EXPECT_EQ(to_string(peer.allowed_ips[0].prefix), "10.0.0.0/24");
  EXPECT_FALSE(peer.allowed_ips[0].remove);
  EXPECT_EQ(to_string(peer.allowed_ips[1].prefix), "fd00::/64");
  EXPECT_TRUE(peer.allowed_ips[1].remove);
  EXPECT_TRUE(update.peers[1].remove);
  EXPECT_FALSE(update.private_key || update.listen_port || update.fwmark || update.replace_peers);
}

TEST(UapiSet, RefusesWhatIsNotOfTheProtocol) {
  const std::string peer = "public_key=" + hex_key(1);
  const std::vector<std::vector<std::string>> refused = {
      {"private_key=00"},
      {"private_key=" + hex_key(1) + "0"},
      {"listen_port=65536"},
      {"listen_port=-1"},
      {"listen_port="},
      {"fwmark=4294967296"},
      {"fwmark=0x1"},
      {"replace_peers=false"},
      {"no_such_key=1"},
      {" listen_port=1"},
      {"allowed_ip=10.0.0.0/8"},  // before a public_key
      {"public_key=xx"},
      {"public_key="},
      {peer, "listen_port=1"},  // of the device, behind a public_key
      {peer, "endpoint=host:1"},
      {peer, "endpoint=1.2.3.4"},
      {peer, "endpoint=1.2.3.4:65536"},
      {peer, "persistent_keepalive_interval=65536"},
      {peer, "persistent_keepalive_interval=off"},
      {peer, "allowed_ip=10.0.0.0"},
      {peer, "allowed_ip=10.0.0.0/33"},
      {peer, "allowed_ip=--10.0.0.0/8"},
      {peer, "remove=1"},
      {peer, "update_only="},
      {peer, "protocol_version=2"},
      {peer, "preshared_key="},
  };
  for (const auto& lines : refused) {
    UapiSetRequest request;
    EXPECT_EQ(add(request, lines), EINVAL) << lines.back();
  }
  UapiSetRequest request;
  EXPECT_EQ(add(request, {"listen_port"}), EPROTO);
}

TEST(UapiSet, TakesALargeRequestApartIntoBoundedUpdates) {
  constexpr std::size_t kPeers = 10'000;
  UapiSetRequest request;
  std::size_t peers = 0;
  std::size_t updates = 0;
  const auto take = [&] {
    const InterfaceUpdate update = request.take();
    EXPECT_EQ(update.replace_peers, updates == 0) << "only the first part replaces";
    EXPECT_LE(update.peers.size(), UapiSetRequest::kMaxPeersPerUpdate + 1);
    for (const PeerUpdate& peer : update.peers) peers += !peer.update_only;
    ++updates;
  };
  ASSERT_EQ(request.add_line("replace_peers=true"), 0);
  for (std::size_t i = 0; i < kPeers; ++i) {
    PublicKey key;
    store_le32(key.bytes.data(), static_cast<std::uint32_t>(i));
    const std::string line = "public_key=" + hex_encode(key.bytes);
    if (request.full_at(line)) take();
    ASSERT_EQ(request.add_line(line), 0);
  }
  take();
  EXPECT_EQ(peers, kPeers);
  EXPECT_GE(updates, kPeers / UapiSetRequest::kMaxPeersPerUpdate);
}

TEST(UapiSet, TakesAPeerWithManyAllowedIpsApart) {
  UapiSetRequest request;
  ASSERT_EQ(add(request, {"public_key=" + hex_key(1), "preshared_key=" + hex_key(2), "replace_allowed_ips=true"}), 0);
  const std::string line = "allowed_ip=10.0.0.0/32";
  for (std::size_t i = 0; i < UapiSetRequest::kMaxAllowedIpsPerUpdate; ++i) {
    ASSERT_FALSE(request.full_at(line));
    ASSERT_EQ(request.add_line(line), 0);
  }
  ASSERT_TRUE(request.full_at(line));
  EXPECT_TRUE(request.take().peers.at(0).replace_allowed_ips);
  ASSERT_EQ(request.add_line(line), 0);
  const InterfaceUpdate rest = request.take();
  ASSERT_EQ(rest.peers.size(), 1u);
  EXPECT_EQ(rest.peers[0].public_key, public_key(1));
  EXPECT_TRUE(rest.peers[0].update_only) << "it must not bring back a peer that the first part removed";
  EXPECT_FALSE(rest.peers[0].replace_allowed_ips);
  EXPECT_FALSE(rest.peers[0].preshared_key);
  EXPECT_EQ(rest.peers[0].allowed_ips.size(), 1u);
}

TEST(UapiGet, PrintsWhatIsSet) {
  InterfaceSnapshot snapshot;
  snapshot.private_key.reveal_mutable()[0] = 7;
  snapshot.listen_port = 51820;
  snapshot.fwmark = 9;
  PeerSnapshot peer;
  peer.public_key = public_key(1);
  peer.endpoint = *Endpoint::parse("192.0.2.1:1234");
  peer.persistent_keepalive_s = 25;
  peer.last_handshake = WallTime(std::chrono::nanoseconds(1'700'000'000'000'000'005));
  peer.rx_bytes = 11;
  peer.tx_bytes = 12;
  peer.allowed_ips = {*IpPrefix::parse("10.0.0.0/24"), *IpPrefix::parse("::/0")};
  snapshot.peers = {peer};

  std::string text;
  EXPECT_FALSE(UapiGetAnswer(snapshot).append_next(text));
  EXPECT_EQ(text, "private_key=" + hex_key(7) + "\nlisten_port=51820\nfwmark=9\npublic_key=" + hex_key(1) +
                      "\npreshared_key=" + hex_key(0) +
                      "\nprotocol_version=1\nendpoint=192.0.2.1:1234\nlast_handshake_time_sec=1700000000\n"
                      "last_handshake_time_nsec=5\ntx_bytes=12\nrx_bytes=11\npersistent_keepalive_interval=25\n"
                      "allowed_ip=10.0.0.0/24\nallowed_ip=::/0\nerrno=0\n\n");
}

TEST(UapiGet, PrintsNothingOfAnUnconfiguredDevice) {
  std::string text;
  EXPECT_FALSE(UapiGetAnswer(InterfaceSnapshot()).append_next(text));
  EXPECT_EQ(text, "errno=0\n\n");
}

TEST(UapiGet, ComesInParts) {
  InterfaceSnapshot snapshot;
  snapshot.peers.resize(10'000);
  UapiGetAnswer answer(snapshot);
  std::size_t peers = 0;
  std::string part;
  for (bool more = true; more; part.clear()) {
    more = answer.append_next(part);
    EXPECT_LE(part.size(), UapiGetAnswer::kMaxPartBytes);
    EXPECT_EQ(part.ends_with("errno=0\n\n"), !more);
    for (std::size_t at = part.find("public_key="); at != part.npos; at = part.find("public_key=", at + 1)) ++peers;
  }
  EXPECT_EQ(peers, snapshot.peers.size());
}

TEST(UapiGet, TakesAPeerWithManyAllowedIpsApart) {
  InterfaceSnapshot snapshot;
  snapshot.peers.resize(3);
  std::string expected;
  for (std::uint32_t i = 0; i < 10'000; ++i) {
    snapshot.peers[1].allowed_ips.push_back({IpAddress::v4(0x0a000000 + i), 32});
    expected += "allowed_ip=" + to_string(snapshot.peers[1].allowed_ips.back()) + "\n";
  }
  UapiGetAnswer answer(snapshot);
  std::string whole;
  std::string part;
  for (bool more = true; more; part.clear()) {
    more = answer.append_next(part);
    EXPECT_LE(part.size(), UapiGetAnswer::kMaxPartBytes);
    whole += part;
  }
  const auto count = [&whole](std::string_view key) {
    std::size_t found = 0;
    for (std::size_t at = whole.find(key); at != whole.npos; at = whole.find(key, at + 1)) ++found;
    return found;
  };
  EXPECT_EQ(count("public_key="), 3u);
  EXPECT_EQ(count("allowed_ip="), 10'000u);
  EXPECT_NE(whole.find(expected + "public_key="), whole.npos) << "whole, in order, before the next peer";
}

TEST(UapiErrno, SaysPortInUse) {
  EXPECT_EQ(uapi_errno({ErrorCode::kUnavailable, ""}), EADDRINUSE);
  EXPECT_EQ(uapi_errno({ErrorCode::kInvalidArgument, ""}), EINVAL);
  EXPECT_EQ(uapi_errno({ErrorCode::kExhausted, ""}), ENOMEM);
  EXPECT_EQ(uapi_errno({ErrorCode::kIo, ""}), EIO);
}

}  // namespace
}  // namespace vpn::engine
