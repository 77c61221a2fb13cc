#include "control/service/reconciler.h"

#include <gtest/gtest.h>

#include "control/service/test_log.h"
#include "control/service/test_strand.h"
#include "control/store/test_clients.h"
#include "tunnel/memory/memory_tunnel.h"

namespace vpn::control {
namespace {

using std::chrono::milliseconds;

class ReconcilerTest : public testing::Test {
 protected:
  static tunnel::Peer peer(int number) {
    const Client client = contract::client(number);
    return {.public_key = client.public_key, .preshared_key = std::nullopt, .allowed_ips = {{client.address, 32}}};
  }

  /// The numbers of the peers that the tunnel holds.
  std::vector<int> held() const {
    std::vector<int> numbers;
    const auto tunnel = tunnel_.status();
    for (const tunnel::PeerStatus& status : tunnel->peers) numbers.push_back(status.peer.public_key.bytes[0]);
    std::sort(numbers.begin(), numbers.end());
    return numbers;
  }

  static Error broken() { return {ErrorCode::kUnavailable, "the interface is down"}; }

  tunnel::MemoryTunnel tunnel_;
  TestStrand strand_;
  TestLog log_;
  std::vector<tunnel::Peer> wanted_;
  Reconciler reconciler_{tunnel_, [this] { return wanted_; }, strand_.delay(), log_};
};

TEST_F(ReconcilerTest, AppliesTheDifferenceAtTheStart) {
  ASSERT_TRUE(tunnel_.apply({.set = {peer(1), peer(9)}, .remove = {}}));
  wanted_ = {peer(1), peer(2)};
  reconciler_.converge();
  EXPECT_EQ(held(), (std::vector<int>{1, 2}));
  EXPECT_TRUE(reconciler_.state());
  EXPECT_EQ(strand_.delayed_count(), 0u) << "no timer runs when nothing is wrong";
}

TEST_F(ReconcilerTest, AppliesAChange) {
  reconciler_.apply({.set = {peer(1), peer(2)}, .remove = {}});
  reconciler_.apply({.set = {peer(3)}, .remove = {contract::key(1)}});
  EXPECT_EQ(held(), (std::vector<int>{2, 3}));
}

TEST_F(ReconcilerTest, RetriesWithGrowingPausesUntilTheWholeDifferenceIsApplied) {
  wanted_ = {peer(1), peer(2)};
  tunnel_.fail_next(6, broken());
  reconciler_.apply({.set = {peer(2)}, .remove = {}});
  EXPECT_EQ(reconciler_.state().error().message, broken().message);
  EXPECT_EQ(strand_.delayed_count(), 1u);
  strand_.advance(milliseconds(99));
  EXPECT_TRUE(tunnel_.status().error().message == broken().message);  // the second failure of the six
  for (const int pause : {1, 200, 400}) strand_.advance(milliseconds(pause));
  EXPECT_FALSE(reconciler_.state());
  strand_.advance(milliseconds(800));
  EXPECT_FALSE(reconciler_.state());
  strand_.advance(milliseconds(1600));
  EXPECT_TRUE(reconciler_.state());
  EXPECT_EQ(held(), (std::vector<int>{1, 2}));
  EXPECT_EQ(strand_.delayed_count(), 0u);
}

TEST_F(ReconcilerTest, AppliesChangesWhileItIsBehind) {
  wanted_ = {peer(1), peer(2)};
  tunnel_.fail_next(1, broken());
  reconciler_.apply({.set = {peer(1)}, .remove = {}});
  reconciler_.apply({.set = {peer(2)}, .remove = {}});
  EXPECT_EQ(held(), std::vector<int>{2});
  EXPECT_FALSE(reconciler_.state()) << "one is still missing";
  strand_.advance(milliseconds(100));
  EXPECT_EQ(held(), (std::vector<int>{1, 2}));
}

TEST_F(ReconcilerTest, RemovesEvenWhenItCannotAdd) {
  tunnel::MemoryTunnel small("wg0", 2);
  Reconciler reconciler(small, [this] { return wanted_; }, strand_.delay(), log_);
  reconciler.apply({.set = {peer(1), peer(2)}, .remove = {}});
  reconciler.apply({.set = {peer(3), peer(4), peer(5)}, .remove = {contract::key(1)}});
  ASSERT_EQ(small.status()->peers.size(), 1u);
  EXPECT_EQ(small.status()->peers[0].peer.public_key, contract::key(2));
}

TEST_F(ReconcilerTest, SaysOncePerChangeOfState) {
  tunnel_.fail_next(5, broken());
  wanted_ = {peer(1)};
  reconciler_.apply({.set = {peer(1)}, .remove = {}});
  reconciler_.apply({.set = {peer(1)}, .remove = {}});
  strand_.advance(milliseconds(60'000));
  ASSERT_TRUE(reconciler_.state());
  ASSERT_EQ(log_.lines().size(), 2u);
  EXPECT_NE(log_.lines()[0].find(broken().message), std::string::npos);
  EXPECT_NE(log_.lines()[1].find("again"), std::string::npos);
}

}  // namespace
}  // namespace vpn::control
