#include "engine/io/link_watcher.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <poll.h>

#include "engine/io/linux_tun.h"
#include "engine/io/test_namespace.h"

namespace vpn::engine::io {
namespace {

using namespace test;

constexpr int kPatienceMs = 10'000;

class LinkWatcherTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NO_FATAL_FAILURE(enter_new_namespace());
    auto tun = LinuxTun::open("wg0", 1420);
    ASSERT_TRUE(tun) << tun.error().message;
    tun_ = std::move(*tun);
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

  // A change of the link that ioctls do not have: one attribute, or none, of a message of this type.
  static void change_link(std::uint16_t type, std::uint16_t attribute = 0, int value = 0) {
    struct {
      nlmsghdr header;
      ifinfomsg link;
      rtattr attribute;
      int value;
    } request{};
    request.header.nlmsg_len = attribute != 0 ? sizeof request : offsetof(decltype(request), attribute);
    request.header.nlmsg_type = type;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
    request.link.ifi_index = static_cast<int>(::if_nametoindex("wg0"));
    request.attribute = {.rta_len = RTA_LENGTH(sizeof value), .rta_type = attribute};
    request.value = value;
    const UniqueFd netlink(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE));
    ASSERT_EQ(::send(netlink.get(), &request, request.header.nlmsg_len, 0),
              static_cast<ssize_t>(request.header.nlmsg_len));
    struct {
      nlmsghdr header;
      nlmsgerr error;
      char rest[512];
    } answer{};
    ASSERT_GT(::recv(netlink.get(), &answer, sizeof answer, 0), 0);
    ASSERT_EQ(answer.error.error, 0) << std::strerror(-answer.error.error);
  }

  std::unique_ptr<LinuxTun> tun_;
  std::optional<LinkWatcher> watcher_;
};

TEST_F(LinkWatcherTest, TellsTheStateAtTheStart) {
  expect_state({.present = true, .up = false, .mtu_bytes = 1420});
}

TEST_F(LinkWatcherTest, TellsUpDownAndMtu) {
  set_up("wg0", true);
  expect_state({.present = true, .up = true, .mtu_bytes = 1420});
  set_mtu("wg0", 1280);
  expect_state({.present = true, .up = true, .mtu_bytes = 1280});
  set_up("wg0", false);
  expect_state({.present = true, .up = false, .mtu_bytes = 1280});
}

TEST_F(LinkWatcherTest, IgnoresOtherLinks) {
  expect_state({.present = true, .up = false, .mtu_bytes = 1420});
  set_up("lo", true);
  pollfd readable{watcher_->fd(), POLLIN, 0};
  ASSERT_EQ(::poll(&readable, 1, kPatienceMs), 1);
  EXPECT_FALSE(watcher_->read().up);
}

TEST_F(LinkWatcherTest, TellsTheRemoval) {
  change_link(RTM_DELLINK);
  expect_state({.present = false});
}

TEST_F(LinkWatcherTest, FollowsTheDeviceIntoAnotherNamespace) {
  set_up("wg0", true);
  expect_state({.present = true, .up = true, .mtu_bytes = 1420});
  const UniqueFd home(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  ASSERT_NO_FATAL_FAILURE(enter_new_namespace());
  const UniqueFd container(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(::setns(home.get(), CLONE_NEWNET), 0);
  change_link(RTM_NEWLINK, IFLA_NET_NS_FD, container.get());
  ASSERT_EQ(::if_nametoindex("wg0"), 0u);
  expect_state({.present = true, .up = false, .mtu_bytes = 1420});
  ASSERT_EQ(::setns(container.get(), CLONE_NEWNET), 0);
  set_up("wg0", true);
  ASSERT_EQ(::setns(home.get(), CLONE_NEWNET), 0);
  expect_state({.present = true, .up = true, .mtu_bytes = 1420});
  EXPECT_EQ(::if_nametoindex("wg0"), 0u) << "the reader came back to its own namespace";
}

}  // namespace
}  // namespace vpn::engine::io
