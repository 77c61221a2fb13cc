#include "cli/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <set>
#include <vector>

#include "base/test_directory.h"
#include "cli/small_file.h"

namespace vpn::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

mode_t mode_of(const std::filesystem::path& path) {
  struct stat status{};
  EXPECT_EQ(::stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

class StateTest : public testing::Test {
 protected:
  const TestDirectory test_directory_;
  const std::filesystem::path& directory_ = test_directory_.path();
  SystemRandom random_;
};

TEST_F(StateTest, MakesThePrivateDirectoryAndThoseAboveIt) {
  const std::filesystem::path path = directory_ / "a" / "b";
  ASSERT_TRUE(prepare_state_directory(path));
  EXPECT_EQ(mode_of(path), 0700u);
  EXPECT_TRUE(prepare_state_directory(path)) << "a second time changes nothing";
}

TEST_F(StateTest, LeavesTheModeOfAnExistingDirectoryAlone) {
  ASSERT_EQ(::chmod(directory_.c_str(), 0755), 0);
  ASSERT_TRUE(prepare_state_directory(directory_));
  EXPECT_EQ(mode_of(directory_), 0755u);
}

TEST_F(StateTest, RefusesAFileInTheDirectorysPlace) {
  std::ofstream(directory_ / "file") << "x";
  const Status status = prepare_state_directory(directory_ / "file");
  ASSERT_FALSE(status);
  EXPECT_THAT(status.error().message, HasSubstr("is not a directory"));
}

TEST_F(StateTest, TheDirectoryIsOneProcesssAlone) {
  const std::filesystem::path path = directory_ / "state";
  ASSERT_TRUE(prepare_state_directory(path));
  {
    const Result<UniqueFd> lock = lock_state_directory(path);
    ASSERT_TRUE(lock);
    EXPECT_EQ(mode_of(path / "lock"), 0600u);
    const Result<UniqueFd> second = lock_state_directory(path);
    ASSERT_FALSE(second);
    EXPECT_THAT(second.error().message, AllOf(HasSubstr(path.string()), HasSubstr("another process")));
  }
  EXPECT_TRUE(lock_state_directory(path));
}

TEST_F(StateTest, ProposesTheKeyThatIsThereOrAFreshOneThatItDoesNotKeep) {
  const Result<PrivateKey> fresh = propose_private_key(directory_, random_);
  ASSERT_TRUE(fresh);
  EXPECT_NE(*propose_private_key(directory_, random_), *fresh);
  EXPECT_TRUE(std::filesystem::is_empty(directory_));
  const Result<PrivateKey> kept = load_or_create_private_key(directory_, random_);
  EXPECT_EQ(*propose_private_key(directory_, random_), *kept);
  EXPECT_NE(*fresh, *kept);
  std::ofstream(directory_ / kPrivateKeyFile) << "no key\n";
  EXPECT_EQ(propose_private_key(directory_, random_).error().code, ErrorCode::kCorrupt);
}

TEST_F(StateTest, GeneratesTheKeyOnceAndKeepsIt) {
  const Result<PrivateKey> first = load_or_create_private_key(directory_, random_);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_FALSE(first->is_zero());
  EXPECT_EQ(mode_of(directory_ / kPrivateKeyFile), 0600u);
  const Result<PrivateKey> second = load_or_create_private_key(directory_, random_);
  ASSERT_TRUE(second);
  EXPECT_EQ(*second, *first);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "private-key.new"));
}

TEST_F(StateTest, NeverReplacesAKeyFileItCannotRead) {
  for (const std::string bad : {"", "garbage", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}) {
    std::ofstream(directory_ / kPrivateKeyFile) << bad << '\n';
    const Result<PrivateKey> key = load_or_create_private_key(directory_, random_);
    ASSERT_FALSE(key) << bad;
    EXPECT_EQ(key.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(key.error().message, HasSubstr((directory_ / kPrivateKeyFile).string()));
    if (!bad.empty()) {
      EXPECT_THAT(key.error().message, Not(HasSubstr(bad)));
    }
    EXPECT_EQ(*read_small_file(directory_ / kPrivateKeyFile, 100), bad + "\n");
  }
}

TEST_F(StateTest, ATemporaryFileOfACrashIsReplaced) {
  std::ofstream(directory_ / "private-key.new") << "half a k";
  ASSERT_EQ(::chmod((directory_ / "private-key.new").c_str(), 0644), 0);
  ASSERT_TRUE(load_or_create_private_key(directory_, random_));
  EXPECT_EQ(mode_of(directory_ / kPrivateKeyFile), 0600u);
}

TEST_F(StateTest, ProcessesThatStartTogetherAgreeOnOneKey) {
  std::vector<std::future<std::string>> starts;
  for (int i = 0; i < 8; ++i) {
    starts.push_back(std::async(std::launch::async, [&] {
      SystemRandom random;
      const Result<PrivateKey> key = load_or_create_private_key(directory_, random);
      return key ? reveal_base64(*key) : key.error().message;
    }));
  }
  std::set<std::string> keys;
  for (auto& start : starts) keys.insert(start.get());
  EXPECT_EQ(keys.size(), 1u);
}

TEST_F(StateTest, AKeyIsWholeOrAbsentWheneverTheProcessIsKilled) {
  for (int round = 0; round < 50; ++round) {
    std::filesystem::remove(directory_ / kPrivateKeyFile);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      SystemRandom random;
      while (true) {  // until killed, somewhere in between
        (void)load_or_create_private_key(directory_, random);
        ::unlink((directory_ / kPrivateKeyFile).c_str());
      }
    }
    ::usleep(static_cast<useconds_t>(random_.below(2000)));
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    const Result<PrivateKey> key = load_or_create_private_key(directory_, random_);
    ASSERT_TRUE(key) << "round " << round << ": " << key.error().message;
  }
}

TEST_F(StateTest, GeneratesTheTokenOnceAndTwoInstallsShareNone) {
  const Result<control::BearerToken> first = load_or_create_api_token(directory_, random_);
  ASSERT_TRUE(first) << first.error().message;
  EXPECT_EQ(mode_of(directory_ / kApiTokenFile), 0600u);
  std::string text = *read_small_file(directory_ / kApiTokenFile, 100);
  ASSERT_EQ(text.size(), 65u) << "256 bits in hex and a newline";
  text.pop_back();
  EXPECT_TRUE(first->matches(text));
  EXPECT_TRUE(load_or_create_api_token(directory_, random_)->matches(text));

  ASSERT_TRUE(prepare_state_directory(directory_ / "other"));
  EXPECT_FALSE(load_or_create_api_token(directory_ / "other", random_)->matches(text));
}

TEST_F(StateTest, RefusesABadTokenFileWithoutShowingIt) {
  std::ofstream(directory_ / kApiTokenFile) << "hunter2\n";
  const Result<control::BearerToken> token = load_or_create_api_token(directory_, random_);
  ASSERT_FALSE(token);
  EXPECT_EQ(token.error().code, ErrorCode::kCorrupt);
  EXPECT_THAT(token.error().message, AllOf(HasSubstr("16 to 1024"), Not(HasSubstr("hunter2"))));
}

TEST_F(StateTest, ANewFileNeverOverwritesAndIsPrivate) {
  const std::filesystem::path path = directory_ / "laptop.conf";
  std::ofstream(directory_ / "laptop.conf.new") << "a neighbour";
  {
    Result<NewFile> file = NewFile::create(path);
    ASSERT_TRUE(file) << file.error().message;
    ASSERT_TRUE(file->write("secret"));
    file->keep();
  }
  EXPECT_EQ(mode_of(path), 0600u);
  EXPECT_EQ(*read_small_file(directory_ / "laptop.conf.new", 100), "a neighbour");
  const Result<NewFile> again = NewFile::create(path);
  ASSERT_FALSE(again);
  EXPECT_EQ(again.error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(*read_small_file(path, 100), "secret");
}

TEST_F(StateTest, ANewFileThatIsNotKeptIsGone) {
  const std::filesystem::path path = directory_ / "laptop.conf";
  {
    Result<NewFile> file = NewFile::create(path);
    ASSERT_TRUE(file && file->write("secret"));
    EXPECT_TRUE(std::filesystem::exists(path));
  }
  EXPECT_FALSE(std::filesystem::exists(path));
}

TEST_F(StateTest, NotesWhoseRulesMayStandUntilTheyAreForgotten) {
  using testing::ElementsAre;
  using testing::IsEmpty;
  EXPECT_THAT(*note_ruled_interface(directory_, "wg0"), IsEmpty());
  EXPECT_EQ(mode_of(directory_ / kRuledInterfacesFile), 0600u);
  EXPECT_THAT(*note_ruled_interface(directory_, "wg0"), IsEmpty()) << "its own table is replaced anyhow";
  EXPECT_THAT(*note_ruled_interface(directory_, "wg1"), ElementsAre("wg0"));
  EXPECT_THAT(*note_ruled_interface(directory_, "wg2"), ElementsAre("wg0", "wg1"));
  EXPECT_THAT(*note_ruled_interface(directory_, "wg0"), ElementsAre("wg1", "wg2"));
  EXPECT_TRUE(forget_ruled_interfaces(directory_));
  EXPECT_TRUE(forget_ruled_interfaces(directory_)) << "a second time there is nothing to forget";
  EXPECT_THAT(*note_ruled_interface(directory_, "wg3"), IsEmpty());
}

TEST_F(StateTest, ForgetsTheOldestOfTooManyRuledInterfaces) {
  for (int i = 0; i < 70; ++i) {
    ASSERT_TRUE(note_ruled_interface(directory_, "fifteen-long" + std::to_string(100 + i)));
  }
  const auto earlier = note_ruled_interface(directory_, "wg0");
  ASSERT_TRUE(earlier) << earlier.error().message;
  EXPECT_EQ(earlier->size(), kMaxRuledInterfaces - 1);
  EXPECT_EQ(earlier->back(), "fifteen-long169");
}

TEST_F(StateTest, RefusesANoteOfWhatIsNoInterface) {
  for (const char* bad : {"\n", "wg0\n}; flush ruleset\n", "sixteen-letters-\n"}) {
    std::ofstream(directory_ / kRuledInterfacesFile) << bad;
    const auto earlier = note_ruled_interface(directory_, "wg1");
    ASSERT_FALSE(earlier) << bad;
    EXPECT_EQ(earlier.error().code, ErrorCode::kCorrupt);
    EXPECT_THAT(earlier.error().message, HasSubstr(kRuledInterfacesFile));
  }
}

}  // namespace
}  // namespace vpn::cli
