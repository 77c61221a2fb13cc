#include "host/forwarding.h"

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/test_namespace.h"

namespace vpn::host {
namespace {

constexpr const char* kSwitch = "/proc/sys/net/ipv4/ip_forward";

std::string content(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

// /proc/sys is read-only for this thread, as in a container, as long as this lives.
class ReadOnlyProc {
 public:
  ReadOnlyProc() {
    CHECK(unshare(CLONE_NEWNS) == 0);
    CHECK(mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0);
    CHECK(mount("/proc/sys", "/proc/sys", nullptr, MS_BIND, nullptr) == 0);
    CHECK(mount("none", "/proc/sys", nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) == 0);
  }
  ~ReadOnlyProc() { CHECK(setns(home_.get(), CLONE_NEWNS) == 0); }

 private:
  UniqueFd home_{open("/proc/thread-self/ns/mnt", O_RDONLY | O_CLOEXEC)};
};

class Forwarding : public ::testing::Test {
  TestNamespace namespace_;
  TestNamespace::Visit visit_ = namespace_.enter();
};

TEST_F(Forwarding, IsSwitchedOn) {
  std::ofstream(kSwitch) << "0\n";
  ASSERT_EQ(content(kSwitch), "0\n");
  EXPECT_TRUE(enable_ipv4_forwarding());
  EXPECT_EQ(content(kSwitch), "1\n");
  EXPECT_TRUE(enable_ipv4_forwarding());
}

TEST_F(Forwarding, MayBeOnAlreadyInAReadOnlyProc) {
  std::ofstream(kSwitch) << "1\n";
  const ReadOnlyProc read_only;
  EXPECT_TRUE(enable_ipv4_forwarding());
}

TEST_F(Forwarding, NamesTheCureWhenItIsOffInAReadOnlyProc) {
  std::ofstream(kSwitch) << "0\n";
  const ReadOnlyProc read_only;
  const Status status = enable_ipv4_forwarding();
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kPermissionDenied);
  for (const char* part : {"Read-only file system", "sysctl -w net.ipv4.ip_forward=1", "--sysctl net.ipv4.ip_forward=1",
                           "securityContext.sysctls"}) {
    EXPECT_NE(status.error().message.find(part), std::string::npos) << part << " in: " << status.error().message;
  }
  EXPECT_EQ(content(kSwitch), "0\n");
}

TEST_F(Forwarding, NamesTheCureWithoutProc) {
  const Status status = enable_ipv4_forwarding("/proc/sys/net/ipv4/no_such_switch");
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kPermissionDenied);
}

}  // namespace
}  // namespace vpn::host
