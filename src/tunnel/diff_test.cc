#include "tunnel/diff.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "base/random.h"

namespace vpn::tunnel {
namespace {

PublicKey key_of(std::uint8_t number) {
  PublicKey key;
  key.bytes[0] = number;
  return key;
}

PresharedKey preshared_of(std::uint8_t number) {
  PresharedKey key;
  key.reveal_mutable()[0] = number;
  return key;
}

Peer peer_of(std::uint8_t number, const std::vector<const char*>& allowed_ips = {}) {
  Peer peer;
  peer.public_key = key_of(number);
  for (const char* text : allowed_ips) peer.allowed_ips.push_back(*IpPrefix::parse(text));
  return peer;
}

std::vector<PeerStatus> running(const std::vector<Peer>& peers) {
  std::vector<PeerStatus> statuses;
  for (const Peer& peer : peers) statuses.emplace_back().peer = peer;
  return statuses;
}

Delta diff_of(const std::vector<Peer>& wanted, const std::vector<Peer>& actual) {
  return diff(wanted, running(actual));
}

TEST(Diff, AddsToAnEmptyTunnelAndEmptiesAFullOne) {
  const std::vector<Peer> peers = {peer_of(1, {"10.0.0.1/32"}), peer_of(2, {"10.0.0.2/32"})};
  EXPECT_EQ(diff_of(peers, {}).set, peers);
  EXPECT_TRUE(diff_of(peers, {}).remove.empty());
  EXPECT_EQ(diff_of({}, peers).remove, (std::vector{key_of(1), key_of(2)}));
  EXPECT_TRUE(diff_of({}, peers).set.empty());
}

TEST(Diff, NamesOnlyThePeerThatDiffers) {
  const std::vector<Peer> actual = {peer_of(1, {"10.0.0.1/32"}), peer_of(2, {"10.0.0.2/32"}), peer_of(3)};
  for (const auto& change : std::vector<std::function<void(Peer&)>>{
           [](Peer& peer) { peer.preshared_key = preshared_of(7); },
           [](Peer& peer) { peer.persistent_keepalive_s = 25; },
           [](Peer& peer) { peer.allowed_ips.clear(); },
           [](Peer& peer) { peer.allowed_ips.push_back(*IpPrefix::parse("10.1.0.0/16")); },
           [](Peer& peer) { peer.allowed_ips = {*IpPrefix::parse("10.0.0.2/31")}; },
       }) {
    std::vector<Peer> wanted = actual;
    change(wanted[1]);
    const Delta delta = diff_of(wanted, actual);
    EXPECT_EQ(delta.set, std::vector{wanted[1]});
    EXPECT_TRUE(delta.remove.empty());
  }
}

TEST(Diff, TakesAllowedIpsAsASet) {
  EXPECT_TRUE(diff_of({peer_of(1, {"10.0.0.1/32", "fd00::/64"})}, {peer_of(1, {"fd00::/64", "10.0.0.1/32"})}).empty());
  EXPECT_TRUE(diff_of({peer_of(1, {"10.0.0.1/32", "10.0.0.1/32"})}, {peer_of(1, {"10.0.0.1/32"})}).empty());
}

TEST(Diff, TakesAZeroPresharedKeyAsNone) {
  const Peer none = peer_of(1);
  Peer zero = peer_of(1);
  zero.preshared_key = PresharedKey();
  EXPECT_TRUE(diff_of({none}, {zero}).empty());
  EXPECT_TRUE(diff_of({zero}, {none}).empty());
}

TEST(Diff, IgnoresWhatThePeerLearnedAndCounted) {
  std::vector<PeerStatus> actual = running({peer_of(1)});
  actual[0].endpoint = *Endpoint::parse("192.0.2.1:1");
  actual[0].rx_bytes = 1;
  EXPECT_TRUE(diff(std::vector{peer_of(1)}, actual).empty());
}

// A tunnel as tunnel.h describes it, in the fewest words.
using Model = std::map<PublicKey, Peer>;

void apply(Model& model, const Delta& delta) {
  for (const PublicKey& key : delta.remove) model.erase(key);
  for (const Peer& peer : delta.set) {
    for (auto& [key, other] : model) {
      std::erase_if(other.allowed_ips,
                    [&](const IpPrefix& prefix) { return std::ranges::count(peer.allowed_ips, prefix) > 0; });
    }
    model[peer.public_key] = peer;
  }
}

// Some of ten peers, with some of twenty addresses dealt out among them.
std::vector<Peer> random_peers(SeededRandom& random) {
  std::vector<Peer> peers;
  for (std::uint8_t number = 0; number < 10; ++number) {
    if (random.below(2) == 0) continue;
    Peer& peer = peers.emplace_back(peer_of(number));
    if (random.below(2) == 0) peer.preshared_key = preshared_of(static_cast<std::uint8_t>(random.below(3)));
    peer.persistent_keepalive_s = static_cast<std::uint16_t>(random.below(2) * 25);
  }
  for (std::uint32_t address = 0; address < 20 && !peers.empty(); ++address) {
    Peer& owner = peers[random.below(static_cast<std::uint32_t>(peers.size()))];
    if (random.below(3) > 0) owner.allowed_ips.push_back({IpAddress::v4(0x0a000000 + address), 32});
  }
  return peers;
}

TEST(Diff, AppliedToAnyTunnelGivesTheWantedOneAndTouchesNothingElse) {
  SeededRandom random(1);
  for (int round = 0; round < 2000; ++round) {
    const std::vector<Peer> actual = random_peers(random);
    const std::vector<Peer> wanted = random_peers(random);
    const Delta delta = diff_of(wanted, actual);

    Model model;
    apply(model, {actual, {}});
    apply(model, delta);
    std::vector<Peer> result;
    for (const auto& [key, peer] : model) result.push_back(peer);
    EXPECT_TRUE(diff_of(wanted, result).empty());
    EXPECT_EQ(result.size(), wanted.size());

    std::set<PublicKey> named(delta.remove.begin(), delta.remove.end());
    for (const Peer& peer : delta.set) named.insert(peer.public_key);
    EXPECT_EQ(named.size(), delta.remove.size() + delta.set.size()) << "a key stands twice";
    for (const Peer& peer : actual)
      EXPECT_FALSE(std::ranges::count(wanted, peer) > 0 && named.contains(peer.public_key));
  }
}

}  // namespace
}  // namespace vpn::tunnel
