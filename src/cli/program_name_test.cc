#include "cli/program_name.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include "base/test_directory.h"

namespace vpn::cli {
namespace {

class ProgramName : public testing::Test {
 protected:
  ~ProgramName() override { ::setenv("PATH", path_.c_str(), 1); }

  const std::string path_ = ::getenv("PATH");
  const std::filesystem::path self_ = std::filesystem::read_symlink("/proc/self/exe");
  const TestDirectory test_directory_;
  const std::filesystem::path& directory_ = test_directory_.path();
};

TEST_F(ProgramName, IsTheNameWhereTheShellFindsThisFileByIt) {
  std::filesystem::create_symlink(self_, directory_ / "vpn-enabler");
  ::setenv("PATH", ("/nonexistent::" + directory_.string()).c_str(), 1);
  EXPECT_EQ(program_for_shell(), "vpn-enabler");
}

TEST_F(ProgramName, IsThePathWhereItFindsNoneOrAnother) {
  ::setenv("PATH", directory_.c_str(), 1);
  EXPECT_EQ(program_for_shell(), self_);
  std::ofstream(directory_ / "vpn-enabler") << "#!/bin/sh\n";
  std::filesystem::permissions(directory_ / "vpn-enabler", std::filesystem::perms::owner_all);
  ::setenv("PATH", (directory_.string() + ":" + self_.parent_path().string()).c_str(), 1);
  EXPECT_EQ(program_for_shell(), self_);
  ::unsetenv("PATH");
  EXPECT_EQ(program_for_shell(), self_);
}

TEST(ShellWord, QuotesOnlyWhatTheShellWouldChange) {
  EXPECT_EQ(shell_word("/opt/vpn-2.0/bin/vpn-enabler"), "/opt/vpn-2.0/bin/vpn-enabler");
  EXPECT_EQ(shell_word("/my programs/$(x)"), "'/my programs/$(x)'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word("~"), "'~'");
  EXPECT_EQ(shell_word(""), "''");
}

}  // namespace
}  // namespace vpn::cli
