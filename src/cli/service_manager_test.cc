#include "cli/service_manager.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <vector>

#include "base/check.h"
#include "base/test_directory.h"
#include "control/service/test_log.h"
#include "control/service/test_strand.h"

namespace vpn::cli {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// A service manager's end: a datagram socket with that name, as NOTIFY_SOCKET spells it.
class NotifySocket {
 public:
  explicit NotifySocket(const std::string& name)
      : fd_(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    name.copy(address.sun_path, sizeof address.sun_path - 1);
    if (name.front() == '@') address.sun_path[0] = '\0';
    const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    CHECK(::bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0);
  }

  /// What has come since the last call; a datagram is there when its sender's call is over.
  std::vector<std::string> take() {
    std::vector<std::string> datagrams;
    std::array<char, 4096> buffer;
    for (;;) {
      const ssize_t size = ::recv(fd_.get(), buffer.data(), buffer.size(), 0);
      if (size < 0) return datagrams;
      datagrams.emplace_back(buffer.data(), static_cast<std::size_t>(size));
    }
  }

 private:
  UniqueFd fd_;
};

class ServiceManagerTest : public testing::Test {
 protected:
  const TestDirectory directory_;
  const std::string path_ = directory_.path() / "notify";
  control::TestStrand strand_;
  control::TestLog log_;
};

TEST_F(ServiceManagerTest, TellsThatTheGatewayServesAndStops) {
  NotifySocket systemd(path_);
  ServiceManager manager({.notify_socket = path_}, strand_.delay(), log_);
  EXPECT_THAT(systemd.take(), IsEmpty());
  manager.ready("3 clients");
  EXPECT_THAT(systemd.take(), ElementsAre("READY=1\nSTATUS=3 clients"));
  manager.stopping();
  EXPECT_THAT(systemd.take(), ElementsAre("STOPPING=1\nSTATUS=stopping"));
  EXPECT_THAT(log_.lines(), IsEmpty());
}

TEST_F(ServiceManagerTest, FindsAnAbstractSocket) {
  const std::string name = "@vpn-enabler-test-" + std::to_string(::getpid());
  NotifySocket systemd(name);
  ServiceManager manager({.notify_socket = name}, strand_.delay(), log_);
  manager.ready("serving");
  EXPECT_THAT(systemd.take(), ElementsAre("READY=1\nSTATUS=serving"));
}

TEST_F(ServiceManagerTest, FeedsTheWatchdogTwiceInItsTimeUntilTheGatewayStops) {
  NotifySocket systemd(path_);
  ServiceManager manager({.notify_socket = path_, .watchdog = milliseconds(30'000)}, strand_.delay(), log_);
  manager.ready("serving");
  EXPECT_THAT(systemd.take(), ElementsAre("READY=1\nSTATUS=serving", "WATCHDOG=1"));
  strand_.advance(milliseconds(14'999));
  EXPECT_THAT(systemd.take(), IsEmpty());
  strand_.advance(milliseconds(1));
  EXPECT_THAT(systemd.take(), ElementsAre("WATCHDOG=1"));
  strand_.advance(milliseconds(30'000));
  EXPECT_THAT(systemd.take(), ElementsAre("WATCHDOG=1", "WATCHDOG=1"));
  manager.stopping();
  EXPECT_EQ(systemd.take().size(), 1U);
  strand_.advance(milliseconds(60'000));
  EXPECT_THAT(systemd.take(), IsEmpty());
}

TEST_F(ServiceManagerTest, TellsAnotherStatusAndFeedsTheWatchdogAsBefore) {
  NotifySocket systemd(path_);
  ServiceManager manager({.notify_socket = path_, .watchdog = milliseconds(2000)}, strand_.delay(), log_);
  manager.ready("waiting for the store");
  manager.ready("serving");
  EXPECT_THAT(systemd.take(),
              ElementsAre("READY=1\nSTATUS=waiting for the store", "WATCHDOG=1", "READY=1\nSTATUS=serving"));
  strand_.advance(milliseconds(1000));
  EXPECT_THAT(systemd.take(), ElementsAre("WATCHDOG=1"));
}

TEST_F(ServiceManagerTest, DoesNothingWithoutAManager) {
  ServiceManager manager({.notify_socket = "", .watchdog = milliseconds(1000)}, strand_.delay(), log_);
  manager.ready("serving");
  manager.stopping();
  EXPECT_EQ(strand_.delayed_count(), 0U);
  EXPECT_THAT(log_.lines(), IsEmpty());
}

TEST_F(ServiceManagerTest, SaysOnceThatTheManagerIsAwayAndFindsItAgain) {
  ServiceManager manager({.notify_socket = path_, .watchdog = milliseconds(1000)}, strand_.delay(), log_);
  manager.ready("serving");
  strand_.advance(milliseconds(5000));
  EXPECT_THAT(log_.lines(), ElementsAre(HasSubstr("No such file or directory")));
  NotifySocket systemd(path_);
  strand_.advance(milliseconds(500));
  EXPECT_THAT(systemd.take(), ElementsAre("WATCHDOG=1"));
}

TEST_F(ServiceManagerTest, SaysThatItCannotReachAnAddress) {
  for (const std::string& name : {std::string("vsock:2:1234"), "/" + std::string(107, 'x')}) {
    const std::size_t said = log_.lines().size();
    ServiceManager manager({.notify_socket = name, .watchdog = milliseconds(1000)}, strand_.delay(), log_);
    manager.ready("serving");
    ASSERT_EQ(log_.lines().size(), said + 1) << name;
    EXPECT_THAT(log_.lines().back(), HasSubstr("NOTIFY_SOCKET is neither"));
  }
  EXPECT_EQ(strand_.delayed_count(), 0U);
}

/// Environment variables as they are set here, and unset at the end.
class ServiceEnvironmentTest : public testing::Test {
 protected:
  void SetUp() override { TearDown(); }
  void TearDown() override {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
  }
};

TEST_F(ServiceEnvironmentTest, IsEmptyWithoutAManager) {
  EXPECT_EQ(service_environment().notify_socket, "");
  EXPECT_EQ(service_environment().watchdog, microseconds(0));
}

TEST_F(ServiceEnvironmentTest, HoldsWhatIsMeantForThisProcess) {
  ::setenv("NOTIFY_SOCKET", "/run/systemd/notify", 1);
  ::setenv("WATCHDOG_USEC", "30000000", 1);
  EXPECT_EQ(service_environment().notify_socket, "/run/systemd/notify");
  EXPECT_EQ(service_environment().watchdog, std::chrono::seconds(30));
  ::setenv("WATCHDOG_PID", std::to_string(::getpid()).c_str(), 1);
  EXPECT_EQ(service_environment().watchdog, std::chrono::seconds(30));
  ::setenv("WATCHDOG_PID", std::to_string(::getppid()).c_str(), 1);
  EXPECT_EQ(service_environment().watchdog, microseconds(0));
}

TEST_F(ServiceEnvironmentTest, TakesWhatIsNoNumberForNoWatchdog) {
  for (const char* text : {"", "soon", "30s", "-1", "99999999999999999999999"}) {
    ::setenv("WATCHDOG_USEC", text, 1);
    EXPECT_EQ(service_environment().watchdog, microseconds(0)) << text;
  }
}

TEST_F(ServiceEnvironmentTest, BoundsTheWatchdog) {
  ::setenv("WATCHDOG_USEC", "18446744073709551615", 1);
  EXPECT_EQ(service_environment().watchdog, std::chrono::hours(24));
}

}  // namespace
}  // namespace vpn::cli
