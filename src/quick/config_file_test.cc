#include "quick/config_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>

#include "base/test_directory.h"

namespace vpn::quick {
namespace {

using testing::HasSubstr;

TEST(ConfigFile, IsNamedByItsInterfaceOrItsPath) {
  EXPECT_EQ(locate("wg0")->path, "/etc/wireguard/wg0.conf");
  EXPECT_EQ(locate("wg0")->interface_name, "wg0");
  EXPECT_EQ(locate("/srv/office.conf")->path, "/srv/office.conf");
  EXPECT_EQ(locate("/srv/office.conf")->interface_name, "office");
  EXPECT_EQ(locate("office.conf")->path, std::filesystem::current_path() / "office.conf");
  EXPECT_EQ(locate("./a/../office.conf")->path, std::filesystem::current_path() / "office.conf");
}

TEST(ConfigFile, HasTheNameOfAnInterface) {
  for (const char* argument :
       {"", ".conf", "/srv/.conf", "/srv/office", "a-very-long-name-indeed", "/srv/a b.conf", "wg0;reboot"}) {
    const auto config = locate(argument);
    ASSERT_FALSE(config) << argument;
    EXPECT_EQ(config.error().code, ErrorCode::kInvalidArgument);
    EXPECT_THAT(config.error().message, HasSubstr("for example ./wg0.conf"));
  }
}

TEST(ConfigFile, IsNamedInItsErrors) {
  const TestDirectory directory;
  const ConfigFile config{directory.path() / "wg0.conf", "wg0"};
  EXPECT_THAT(read(config).error().message, HasSubstr("wg0.conf: no such file"));
  std::ofstream(config.path) << "[Interface]\nMTU = many\n";
  EXPECT_THAT(read(config).error().message, HasSubstr("wg0.conf: line 2: MTU=\"many\" is not"));
}

TEST(ConfigFile, IsOpenWhenFileAndDirectoryAre) {
  const TestDirectory directory;
  const ConfigFile config{directory.path() / "wg0.conf", "wg0"};
  std::ofstream(config.path) << "[Interface]\n";
  ::chmod(directory.path().c_str(), 0755);
  ::chmod(config.path.c_str(), 0644);
  EXPECT_TRUE(is_open_to_others(config));
  ::chmod(config.path.c_str(), 0600);
  EXPECT_FALSE(is_open_to_others(config));
  ::chmod(config.path.c_str(), 0644);
  ::chmod(directory.path().c_str(), 0700);
  EXPECT_FALSE(is_open_to_others(config));
}

}  // namespace
}  // namespace vpn::quick
