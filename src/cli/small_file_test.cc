#include "cli/small_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>

#include "base/test_directory.h"

namespace vpn::cli {
namespace {

using testing::HasSubstr;

class WholeFileTest : public testing::Test {
 protected:
  std::string content() const {
    std::ifstream in(path_);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  std::ptrdiff_t files() const { return std::distance(std::filesystem::directory_iterator(directory_.path()), {}); }
  Status write(WholeFile::Existing existing, std::string_view text) const {
    auto file = WholeFile::create(path_, existing);
    if (!file) return fail(file.error());
    if (Status written = file->write(text); !written) return written;
    return file->publish();
  }

  const TestDirectory directory_;
  const std::filesystem::path path_ = directory_.path() / "export";
};

TEST_F(WholeFileTest, AppearsWithItsWholeContentForItsOwnerAlone) {
  {
    auto file = WholeFile::create(path_, WholeFile::Existing::kRefuse);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->write("one "));
    EXPECT_FALSE(std::filesystem::exists(path_));
    ASSERT_TRUE(file->write("two"));
    ASSERT_TRUE(file->publish());
  }
  EXPECT_EQ(content(), "one two");
  struct stat status{};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_EQ(files(), 1);
}

TEST_F(WholeFileTest, LeavesNothingUnlessPublished) {
  {
    auto file = WholeFile::create(path_, WholeFile::Existing::kRefuse);
    ASSERT_TRUE(file);
    ASSERT_TRUE(file->write("half"));
  }
  EXPECT_EQ(files(), 0);
}

TEST_F(WholeFileTest, ReplacesOnlyWhenAsked) {
  ASSERT_TRUE(write(WholeFile::Existing::kRefuse, "first"));
  const Status refused = write(WholeFile::Existing::kRefuse, "second");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(content(), "first");
  EXPECT_TRUE(write(WholeFile::Existing::kReplace, "third"));
  EXPECT_EQ(content(), "third");
  EXPECT_EQ(files(), 1);
}

TEST_F(WholeFileTest, RefusesOneThatCameMeanwhile) {
  auto file = WholeFile::create(path_, WholeFile::Existing::kRefuse);
  ASSERT_TRUE(file);
  std::ofstream(path_) << "another's";
  EXPECT_EQ(file->publish().error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(content(), "another's");
}

TEST_F(WholeFileTest, NeverGoesThroughASymbolicLinkOrReplacesOne) {
  const auto victim = directory_.path() / "victim";
  for (const bool dangling : {true, false}) {
    if (!dangling) std::ofstream(victim) << "precious";
    std::filesystem::remove(path_);
    std::filesystem::create_symlink(victim, path_);
    EXPECT_EQ(write(WholeFile::Existing::kRefuse, "x").error().code, ErrorCode::kAlreadyExists);
    EXPECT_THAT(write(WholeFile::Existing::kReplace, "x").error().message, HasSubstr("is no regular file"));
    EXPECT_TRUE(std::filesystem::is_symlink(path_));
    EXPECT_EQ(std::filesystem::exists(victim), !dangling);
  }
  EXPECT_EQ(content(), "precious");
}

TEST_F(WholeFileTest, NamesAPathThatCannotBe) {
  const auto file = WholeFile::create(directory_.path() / "no" / "export", WholeFile::Existing::kRefuse);
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().message, HasSubstr("no/export: No such file or directory"));
}

}  // namespace
}  // namespace vpn::cli
