// The contract of tunnel.h as tests, to be run on every implementation:
//
//     using Implementations = ::testing::Types<MemoryRig>;
//     INSTANTIATE_TYPED_TEST_SUITE_P(MemoryTunnel, TunnelContract, Implementations);
//
// A rig holds a fresh tunnel and the world around it, in which no UDP port is taken yet:
//
//     Tunnel& tunnel();
//     std::uint16_t taken_port();                        // a UDP port that somebody else holds
//     void start_handshake(const PrivateKey& peer);      // the peer with this key calls the tunnel
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>

#include "base/random.h"
#include "engine/crypto/x25519.h"
#include "tunnel/diff.h"
#include "tunnel/tunnel.h"

namespace vpn::tunnel {

template <typename Rig>
class TunnelContract : public ::testing::Test {
 protected:
  static constexpr std::uint16_t kPort = 51820;
  static constexpr std::chrono::seconds kPatience{20};  // a lost handshake message is sent again after 5 s

  TunnelContract() {
    tunnel_.on_learned_endpoints([this] {
      const std::lock_guard lock(mutex_);
      learned_ = true;
      changed_.notify_one();
    });
    EXPECT_TRUE(tunnel_.configure({own_key_, kPort}));
  }

  PrivateKey new_key() { return engine::crypto::generate_private_key(random_); }

  PresharedKey new_preshared_key() {
    PresharedKey key;
    random_.fill(key.reveal_mutable());
    return key;
  }

  static Peer peer_of(const PublicKey& key, const std::vector<std::string>& allowed_ips = {}) {
    Peer peer;
    peer.public_key = key;
    for (const std::string& text : allowed_ips) peer.allowed_ips.push_back(*IpPrefix::parse(text));
    return peer;
  }
  static Peer peer_of(const PrivateKey& key, const std::vector<std::string>& allowed_ips = {}) {
    return peer_of(engine::crypto::derive_public_key(key), allowed_ips);
  }
  Peer new_peer(const std::vector<std::string>& allowed_ips = {}) { return peer_of(new_key(), allowed_ips); }

  void set(std::vector<Peer> peers) { apply({std::move(peers), {}}); }
  void remove(std::vector<PublicKey> keys) { apply({{}, std::move(keys)}); }
  void apply(const Delta& delta) {
    const Status status = tunnel_.apply(delta);
    EXPECT_TRUE(status) << status.error().message;
  }

  TunnelStatus status() {
    auto status = tunnel_.status();
    EXPECT_TRUE(status);
    return *std::move(status);
  }

  PeerStatus status_of(const PublicKey& key) {
    auto peer = tunnel_.peer(key);
    if (peer && *peer) return **std::move(peer);
    ADD_FAILURE() << "no such peer";
    return {};
  }

  void expect_holds(const std::vector<Peer>& peers) {
    const Delta delta = diff(peers, status().peers);
    EXPECT_TRUE(delta.empty()) << delta.set.size() << " peers differ, " << delta.remove.size()
                               << " should not be there";
  }

  // Lets a peer make a handshake, and returns what the tunnel learned by it.
  PeerEndpoint shake_hands(const PrivateKey& key) {
    const Peer peer = peer_of(key);
    rig_.start_handshake(key);
    for (;;) {
      {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, kPatience, [this] { return learned_; })) break;
        learned_ = false;
      }
      for (const PeerEndpoint& taken : tunnel_.take_learned_endpoints()) {
        if (taken.public_key == peer.public_key && taken.last_handshake != WallTime{}) return taken;
      }
    }
    ADD_FAILURE() << "no handshake within " << kPatience.count() << " s";
    return {};
  }

  SeededRandom random_{1};
  std::mutex mutex_;  // guards learned_
  std::condition_variable changed_;
  bool learned_ = false;

  Rig rig_;
  Tunnel& tunnel_ = rig_.tunnel();
  PrivateKey own_key_ = new_key();
};

TYPED_TEST_SUITE_P(TunnelContract);

TYPED_TEST_P(TunnelContract, HasItsKeyItsPortAndNoPeersAtFirst) {
  const TunnelStatus status = this->status();
  EXPECT_EQ(status.interface_name, this->tunnel_.interface_name());
  EXPECT_TRUE(status.private_key == this->own_key_);
  EXPECT_EQ(status.public_key, engine::crypto::derive_public_key(this->own_key_));
  EXPECT_EQ(status.listen_port, this->kPort);
  EXPECT_TRUE(status.peers.empty());
}

TYPED_TEST_P(TunnelContract, ShowsWhatWasSet) {
  Peer full = this->new_peer({"10.0.0.1/32", "fd00::/64"});
  full.preshared_key = this->new_preshared_key();
  full.persistent_keepalive_s = 25;
  const Peer plain = this->new_peer();
  this->set({full, plain});
  this->expect_holds({full, plain});

  const PeerStatus status = this->status_of(full.public_key);
  EXPECT_FALSE(status.endpoint);
  EXPECT_EQ(status.last_handshake, WallTime{});
  EXPECT_FALSE(this->status_of(plain.public_key).peer.preshared_key);
}

TYPED_TEST_P(TunnelContract, ShowsOnePeerAsItShowsThemAll) {
  const PrivateKey key = this->new_key();
  Peer caller = this->peer_of(key, {"10.0.0.1/32", "fd00::/64"});
  caller.preshared_key = this->new_preshared_key();
  this->set({this->new_peer({"10.0.0.2/32"}), this->peer_of(key), this->new_peer()});
  this->shake_hands(key);
  this->set({caller});

  const std::vector<PeerStatus> all = this->status().peers;
  ASSERT_EQ(all.size(), 3u);
  for (const PeerStatus& shown : all) {
    const PeerStatus one = this->status_of(shown.peer.public_key);
    EXPECT_TRUE(diff(std::vector{shown.peer}, std::vector{one}).empty());
    EXPECT_EQ(one.endpoint, shown.endpoint);
    EXPECT_EQ(one.last_handshake, shown.last_handshake);
  }
  const auto stranger = this->tunnel_.peer(this->new_peer().public_key);
  ASSERT_TRUE(stranger);
  EXPECT_FALSE(*stranger);
}

TYPED_TEST_P(TunnelContract, MakesAPeerExactlyWhatIsSet) {
  Peer peer = this->new_peer({"10.0.0.1/32", "10.0.0.2/32"});
  peer.preshared_key = this->new_preshared_key();
  peer.persistent_keepalive_s = 25;
  this->set({peer});

  peer.preshared_key = this->new_preshared_key();
  peer.allowed_ips = {*IpPrefix::parse("10.0.0.2/32"), *IpPrefix::parse("10.0.0.3/32")};
  this->set({peer});
  this->expect_holds({peer});

  const Peer bare = this->peer_of(peer.public_key);
  this->set({bare});
  this->expect_holds({bare});
  EXPECT_FALSE(this->status_of(bare.public_key).peer.preshared_key);
}

TYPED_TEST_P(TunnelContract, MovesAllowedIpsFromWhoeverHeldThem) {
  const Peer holder = this->new_peer({"10.0.0.1/32", "10.0.0.2/32"});
  const Peer taker = this->new_peer({"10.0.0.2/32"});
  this->set({holder});
  this->set({taker});
  this->expect_holds({this->peer_of(holder.public_key, {"10.0.0.1/32"}), taker});
}

TYPED_TEST_P(TunnelContract, SwapsAllowedIpsInOneDelta) {
  const Peer a = this->new_peer({"10.0.0.1/32"});
  const Peer b = this->new_peer({"10.0.0.2/32"});
  this->set({a, b});
  const std::vector<Peer> swapped = {this->peer_of(a.public_key, {"10.0.0.2/32"}),
                                     this->peer_of(b.public_key, {"10.0.0.1/32"})};
  this->set(swapped);
  this->expect_holds(swapped);
}

TYPED_TEST_P(TunnelContract, RemovesPeersAndTakesUnknownKeysForGone) {
  const Peer stays = this->new_peer({"10.0.0.1/32"});
  const Peer goes = this->new_peer({"10.0.0.2/32"});
  this->set({stays, goes});
  this->remove({goes.public_key, this->new_peer().public_key});
  this->expect_holds({stays});
  this->remove({goes.public_key});
  this->expect_holds({stays});
}

TYPED_TEST_P(TunnelContract, HandsARemovedPeersAllowedIpsOnInOneDelta) {
  const Peer old = this->new_peer({"10.0.0.1/32"});
  const Peer next = this->new_peer({"10.0.0.1/32"});
  this->set({old});
  this->apply({{next}, {old.public_key}});
  this->expect_holds({next});
}

TYPED_TEST_P(TunnelContract, KeepsItsPeersWhenItsOwnKeyChanges) {
  const Peer peer = this->new_peer({"10.0.0.1/32"});
  this->set({peer});
  const PrivateKey next = this->new_key();
  EXPECT_TRUE(this->tunnel_.configure({next, this->kPort}));
  EXPECT_EQ(this->status().public_key, engine::crypto::derive_public_key(next));
  this->expect_holds({peer});
}

TYPED_TEST_P(TunnelContract, IsNeverAPeerOfItself) {
  const PrivateKey next = this->new_key();
  this->set({this->peer_of(this->own_key_), this->peer_of(next)});
  this->expect_holds({this->peer_of(next)});
  EXPECT_TRUE(this->tunnel_.configure({next, this->kPort}));
  this->expect_holds({});
}

TYPED_TEST_P(TunnelContract, SaysThatAPortIsTakenAndChangesNothing) {
  const std::uint16_t taken = this->rig_.taken_port();
  const Status status = this->tunnel_.configure({this->new_key(), taken});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
  EXPECT_NE(status.error().message.find(std::to_string(taken)), std::string::npos) << status.error().message;
  EXPECT_EQ(this->status().listen_port, this->kPort);
  EXPECT_TRUE(this->status().private_key == this->own_key_);
}

TYPED_TEST_P(TunnelContract, LearnsWhereAPeerCallsFrom) {
  const PrivateKey key = this->new_key();
  this->set({this->peer_of(key, {"10.0.0.1/32"})});
  const PeerEndpoint learned = this->shake_hands(key);
  const PeerStatus status = this->status_of(learned.public_key);
  EXPECT_TRUE(learned.endpoint);
  EXPECT_EQ(status.endpoint, learned.endpoint);
  EXPECT_EQ(status.last_handshake, learned.last_handshake);
  EXPECT_TRUE(this->tunnel_.take_learned_endpoints().empty()) << "what was learned is told once";
}

// Nothing, or each thing once, under a name that can stand in a metric's.
TYPED_TEST_P(TunnelContract, CountsUnderNamesOfMetrics) {
  const PrivateKey key = this->new_key();
  this->set({this->peer_of(key, {"10.0.0.1/32"})});
  this->shake_hands(key);
  std::set<std::pair<std::string_view, std::string_view>> seen;
  std::uint64_t sum = 0;
  for (const Count& count : this->tunnel_.counts()) {
    const auto fits = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; };
    EXPECT_TRUE(std::ranges::all_of(count.name, fits) && std::ranges::all_of(count.reason, fits)) << count.name;
    EXPECT_TRUE(seen.emplace(count.name, count.reason).second) << count.name << ' ' << count.reason;
    sum += count.value;
  }
  EXPECT_EQ(sum > 0, !seen.empty()) << "a handshake passed";
}

TYPED_TEST_P(TunnelContract, KeepsALearnedEndpointWhenThePeerOrAnotherIsSet) {
  const PrivateKey key = this->new_key();
  Peer peer = this->peer_of(key, {"10.0.0.1/32"});
  const Peer other = this->new_peer();
  this->set({peer, other});
  const PeerEndpoint learned = this->shake_hands(key);

  peer.allowed_ips = {*IpPrefix::parse("10.0.0.7/32")};
  peer.persistent_keepalive_s = 25;
  this->apply({{peer}, {other.public_key}});
  this->expect_holds({peer});
  const PeerStatus status = this->status_of(peer.public_key);
  EXPECT_EQ(status.endpoint, learned.endpoint);
  EXPECT_EQ(status.last_handshake, learned.last_handshake);
}

TYPED_TEST_P(TunnelContract, ForgetsTheEndpointOfARemovedPeer) {
  const PrivateKey key = this->new_key();
  this->set({this->peer_of(key)});
  this->shake_hands(key);
  this->remove({this->peer_of(key).public_key});
  this->set({this->new_peer()});
  EXPECT_EQ(this->status().peers.size(), 1u);
  EXPECT_FALSE(this->status().peers[0].endpoint);
}

TYPED_TEST_P(TunnelContract, RestoresEndpointsOnlyWhereNoneWasLearned) {
  const PrivateKey key = this->new_key();
  const Peer caller = this->peer_of(key);
  const Peer silent = this->new_peer();
  const Peer stranger = this->new_peer();
  this->set({caller, silent});
  const PeerEndpoint learned = this->shake_hands(key);

  const Endpoint before = *Endpoint::parse("127.0.0.1:9");
  const std::vector<PeerEndpoint> saved = {
      {caller.public_key, before, {}}, {silent.public_key, before, {}}, {stranger.public_key, before, {}}};
  EXPECT_TRUE(this->tunnel_.restore_endpoints(saved));
  EXPECT_EQ(this->status_of(caller.public_key).endpoint, learned.endpoint);
  EXPECT_EQ(this->status_of(silent.public_key).endpoint, before);
  this->expect_holds({caller, silent});
}

TYPED_TEST_P(TunnelContract, TakesTenThousandPeersInOneDelta) {
  constexpr std::uint32_t kPeers = 10'000;
  std::vector<Peer> peers(kPeers);
  for (std::uint32_t i = 0; i < kPeers; ++i) {
    this->random_.fill(peers[i].public_key.bytes);
    peers[i].allowed_ips = {{IpAddress::v4(0x0a000000 + i), 32}};
  }
  // A peer costs tens of microseconds of cryptography. What is quadratic in 10,000 peers takes minutes.
  const auto start = SystemClock().now();
  this->set(peers);
  this->expect_holds(peers);
  // Every address moves to the next peer.
  std::ranges::rotate(peers, peers.begin() + 1);
  for (std::uint32_t i = 0; i < kPeers; ++i) peers[i].allowed_ips = {{IpAddress::v4(0x0a000000 + i), 32}};
  this->set(peers);
  this->expect_holds(peers);
  EXPECT_LT(SystemClock().now() - start, std::chrono::seconds(20));
}

// Another implementation overflowed its stack near 24,000 peers.
TYPED_TEST_P(TunnelContract, HoldsTensOfThousandsOfPeersAndExchangesThemForOthers) {
  const auto new_peers = [this] {
    std::vector<Peer> peers(30'000);
    for (std::uint32_t i = 0; i < peers.size(); ++i) {
      this->random_.fill(peers[i].public_key.bytes);
      peers[i].allowed_ips.push_back({IpAddress::v4(0x0a000000 + i), 32});
    }
    return peers;
  };
  const std::vector<Peer> first = new_peers(), second = new_peers();
  this->set(first);
  this->expect_holds(first);
  this->apply(diff(second, this->status().peers));  // all of the first go, and their addresses move
  this->expect_holds(second);
  this->apply(diff({}, this->status().peers));
  this->expect_holds({});
  this->set(first);  // these end with the tunnel
}

REGISTER_TYPED_TEST_SUITE_P(TunnelContract, HasItsKeyItsPortAndNoPeersAtFirst, ShowsWhatWasSet,
                            ShowsOnePeerAsItShowsThemAll, MakesAPeerExactlyWhatIsSet,
                            MovesAllowedIpsFromWhoeverHeldThem, SwapsAllowedIpsInOneDelta,
                            RemovesPeersAndTakesUnknownKeysForGone, HandsARemovedPeersAllowedIpsOnInOneDelta,
                            KeepsItsPeersWhenItsOwnKeyChanges, IsNeverAPeerOfItself,
                            SaysThatAPortIsTakenAndChangesNothing, LearnsWhereAPeerCallsFrom, CountsUnderNamesOfMetrics,
                            KeepsALearnedEndpointWhenThePeerOrAnotherIsSet, ForgetsTheEndpointOfARemovedPeer,
                            RestoresEndpointsOnlyWhereNoneWasLearned, TakesTenThousandPeersInOneDelta,
                            HoldsTensOfThousandsOfPeersAndExchangesThemForOthers);

}  // namespace vpn::tunnel
