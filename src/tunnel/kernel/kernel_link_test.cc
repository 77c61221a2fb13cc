// What of kernel_link.h needs no WireGuard in the kernel. The rest is proved in tests/kernel.
#include "tunnel/kernel/kernel_link.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <poll.h>

#include "base/test_namespace.h"

namespace vpn::tunnel {
namespace {

class KernelLinkTest : public ::testing::Test {
 protected:
  static bool readable(const UniqueFd& fd, int timeout_ms) {
    pollfd poll_fd{fd.get(), POLLIN, 0};
    return poll(&poll_fd, 1, timeout_ms) == 1;
  }

 private:
  TestNamespace namespace_;
  TestNamespace::Visit visit_ = namespace_.enter();
};

TEST_F(KernelLinkTest, LeavesALinkOfAnotherKindAlone) {
  TestNamespace::ip("link add wg0 type bridge");
  const unsigned index = if_nametoindex("wg0");
  const auto link = make_or_adopt_link("wg0");
  ASSERT_FALSE(link);
  EXPECT_EQ(link.error().code, ErrorCode::kAlreadyExists) << link.error().message;
  const Status removed = remove_our_link("wg0");
  ASSERT_FALSE(removed);
  EXPECT_EQ(removed.error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(if_nametoindex("wg0"), index);
}

// The group alone makes no link ours.
TEST_F(KernelLinkTest, LeavesALinkOfAnotherKindInOurGroupAlone) {
  TestNamespace::ip("link add wg0 group " + std::to_string(kOurLinkGroup) + " type bridge");
  EXPECT_FALSE(make_or_adopt_link("wg0"));
  EXPECT_FALSE(remove_our_link("wg0"));
  EXPECT_NE(if_nametoindex("wg0"), 0u);
}

TEST_F(KernelLinkTest, FindsNoFaultInRemovingWhatIsNotThere) {
  EXPECT_TRUE(remove_our_link("wg0"));
}

TEST_F(KernelLinkTest, NamesTheMissingCapability) {
  without_net_admin([] {
    const auto link = make_or_adopt_link("wg0");
    ASSERT_FALSE(link);
    EXPECT_EQ(link.error().code, ErrorCode::kPermissionDenied);
    EXPECT_NE(link.error().message.find("NET_ADMIN"), std::string::npos) << link.error().message;
  });
}

TEST_F(KernelLinkTest, IsClaimedByOneAtATime) {
  auto first = claim_link("wg0");
  ASSERT_TRUE(first) << first.error().message;
  const auto second = claim_link("wg0");
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kAlreadyExists);
  EXPECT_TRUE(claim_link("wg1")) << "another link";
  first->reset();
  EXPECT_TRUE(claim_link("wg0")) << "the claim ends with its descriptor";
}

TEST_F(KernelLinkTest, IsClaimedInItsOwnNetworkNamespaceOnly) {
  const auto here = claim_link("wg0");
  ASSERT_TRUE(here);
  const TestNamespace other;
  const auto visit = other.enter();
  EXPECT_TRUE(claim_link("wg0"));
}

TEST_F(KernelLinkTest, RefusesToClaimANameThatNoLinkCanHave) {
  const auto claim = claim_link(std::string(200, 'w'));
  ASSERT_FALSE(claim);
  EXPECT_EQ(claim.error().code, ErrorCode::kInvalidArgument);
}

TEST_F(KernelLinkTest, IsNoticedWhenItGoesAndOnlyThen) {
  TestNamespace::ip("link add wg0 type bridge");
  TestNamespace::ip("link add other type bridge");
  const auto watch = watch_for_removal(if_nametoindex("wg0"));
  ASSERT_TRUE(watch) << watch.error().message;
  TestNamespace::ip("link set wg0 up mtu 1400");
  TestNamespace::ip("link del other");
  EXPECT_FALSE(readable(*watch, 0));
  TestNamespace::ip("link del wg0");
  EXPECT_TRUE(readable(*watch, 10'000));
}

TEST_F(KernelLinkTest, IsNotWatchedWhenItIsGoneAlready) {
  const auto watch = watch_for_removal(4242);
  ASSERT_FALSE(watch);
  EXPECT_EQ(watch.error().code, ErrorCode::kUnavailable);
}

}  // namespace
}  // namespace vpn::tunnel
