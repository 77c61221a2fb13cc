#include "engine/io/link_watcher.h"

#include <gtest/gtest.h>
#include <net/if.h>
#include <poll.h>

#include "base/test_namespace.h"
#include "engine/io/linux_tun.h"

namespace vpn::engine::io {
namespace {

constexpr int kPatienceMs = 10'000;

class LinkWatcherTest : public testing::Test {
 protected:
  void SetUp() override {
    auto tun = LinuxTun::open("wg0", 1420, 1, {});
    ASSERT_TRUE(tun) << tun.error().message;
    tun_ = std::move(tun->front());
    auto watcher = LinkWatcher::open(tun_->fd());
    ASSERT_TRUE(watcher) << watcher.error().message;
    watcher_.emplace(std::move(*watcher));
  }

  // Reads news until the state is this one.
  void expect_state(const LinkState& expected) {
    LinkState state;
    do {
      pollfd readable{watcher_->fd(), POLLIN, 0};
      ASSERT_EQ(::poll(&readable, 1, kPatienceMs), 1)
          << "the state stays present=" << state.present << " up=" << state.up << " mtu=" << state.mtu_bytes;
      state = watcher_->read();
    } while (state.present != expected.present || (state.present && state != expected));
  }

  TestNamespace namespace_;
  TestNamespace::Visit visit_ = namespace_.enter();
  std::unique_ptr<Tun> tun_;
  std::optional<LinkWatcher> watcher_;
};

TEST_F(LinkWatcherTest, TellsTheStateAtTheStart) {
  expect_state({.present = true, .up = false, .mtu_bytes = 1420});
}

TEST_F(LinkWatcherTest, TellsUpDownAndMtu) {
  TestNamespace::ip("link set wg0 up");
  expect_state({.present = true, .up = true, .mtu_bytes = 1420});
  TestNamespace::ip("link set wg0 mtu 1280");
  expect_state({.present = true, .up = true, .mtu_bytes = 1280});
  TestNamespace::ip("link set wg0 down");
  expect_state({.present = true, .up = false, .mtu_bytes = 1280});
}

TEST_F(LinkWatcherTest, IgnoresOtherLinks) {
  expect_state({.present = true, .up = false, .mtu_bytes = 1420});
  TestNamespace::ip("link add name other up type veth peer name end");
  pollfd readable{watcher_->fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&readable, 1, kPatienceMs), 1);
  EXPECT_FALSE(watcher_->read().up);
}

TEST_F(LinkWatcherTest, TellsTheRemoval) {
  TestNamespace::ip("link delete wg0");
  expect_state({.present = false});
}

TEST_F(LinkWatcherTest, FollowsTheDeviceIntoAnotherNamespace) {
  TestNamespace::ip("link set wg0 up");
  expect_state({.present = true, .up = true, .mtu_bytes = 1420});
  const TestNamespace container;
  TestNamespace::ip("link set wg0 netns " + container.path());
  ASSERT_EQ(::if_nametoindex("wg0"), 0u);
  expect_state({.present = true, .up = false, .mtu_bytes = 1420});
  {
    const auto visit = container.enter();
    TestNamespace::ip("link set wg0 up");
  }
  expect_state({.present = true, .up = true, .mtu_bytes = 1420});
  EXPECT_EQ(::if_nametoindex("wg0"), 0u) << "the reader came back to its own namespace";
}

}  // namespace
}  // namespace vpn::engine::io
