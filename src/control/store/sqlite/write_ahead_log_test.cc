// What a gateway that was killed leaves behind, damaged in every way: it is either whole, or refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/store/sqlite/schema.h"
#include "control/store/sqlite/test_support.h"
#include "control/store/sqlite/write_ahead_log.h"
#include "control/store/test_clients.h"

namespace vpn::control {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr int kClients = 20;

/// The two files of a gateway that was killed after kClients commits, to be put back as often as a test likes.
class KilledStore : public ::testing::Test {
 protected:
  void SetUp() override {
    expect_success(start_child([&] {
      auto store = open_store(file_);
      for (int number = 1; number <= kClients; ++number) {
        write_file(directory_.file("size"), std::to_string(std::filesystem::file_size(log_file_)));
        ASSERT_TRUE(store->commit(std::vector<Mutation>{InsertClient{contract::client(number)}})[0]);
      }
      _exit(0);  // as a crash: the log stays
    }));
    database_ = read_file(file_);
    log_ = read_file(log_file_);
    last_commit_ = static_cast<std::size_t>(std::stoul(read_file(directory_.file("size"))));
  }

  /// Opens the database beside this log.
  std::string outcome(const std::string& log) {
    write_file(file_, database_);
    write_file(log_file_, log);
    return open_outcome(file_);
  }

  /// The same without SQLite: "good", or the failure.
  std::string log_outcome(const std::string& log) {
    write_file(log_file_, log);
    const auto end = sqlite::check_log(file_, true);
    return end ? "good" : std::string(to_string(end.error().code)) + ": " + end.error().message;
  }

  std::size_t clients() { return open_store(file_)->load()->clients.size(); }

  std::string with_bit_flipped(std::size_t at) const {
    std::string log = log_;
    log[at] = static_cast<char>(log[at] ^ 1);
    return log;
  }

  const StoreDirectory directory_;
  const std::string file_ = directory_.file(), log_file_ = file_ + "-wal";
  std::string database_, log_;
  std::size_t last_commit_ = 0;  ///< where the frames of the last commit begin in the log
};

MATCHER_P(IsRefused, file, "is told as damage, with a cure") {
  return ExplainMatchResult(AllOf(StartsWith("corrupt: "), HasSubstr(std::string(file)), HasSubstr("backup")), arg,
                            result_listener);
}

TEST_F(KilledStore, HasEveryClient) {
  EXPECT_EQ(outcome(log_), "opened");
  EXPECT_EQ(clients(), kClients);
}

TEST_F(KilledStore, RefusesADamagedHeaderOfTheLog) {
  for (std::size_t at = 0; at < 32; ++at) EXPECT_THAT(outcome(with_bit_flipped(at)), IsRefused(log_file_)) << at;
}

TEST_F(KilledStore, RefusesADamagedPlaceBeforeTheLastCommit) {
  constexpr std::size_t kFrame = 24 + 4096;
  for (std::size_t at = 32; at < last_commit_; at += 197) {
    EXPECT_THAT(log_outcome(with_bit_flipped(at)), IsRefused(log_file_)) << at;
  }
  for (std::size_t at = last_commit_ - kFrame; at < last_commit_ - kFrame + 24; ++at) {
    EXPECT_THAT(log_outcome(with_bit_flipped(at)), IsRefused(log_file_)) << at << ", in a commit's last frame";
  }
  for (std::size_t at = 100; at < last_commit_; at += 10'000) {
    EXPECT_THAT(outcome(with_bit_flipped(at)), IsRefused(log_file_)) << at;
  }
}

TEST_F(KilledStore, LeavesWhatItRefusesAsItIs) {
  const std::string damaged = with_bit_flipped(100'000);
  EXPECT_THAT(outcome(damaged), IsRefused(log_file_));
  EXPECT_EQ(read_file(file_), database_);
  EXPECT_EQ(read_file(log_file_), damaged);
}

TEST_F(KilledStore, RefusesToGoOnWithoutItsLog) {
  EXPECT_THAT(outcome(""), IsRefused(log_file_)) << "an emptied log";
  EXPECT_THAT(outcome(log_.substr(0, 31)), IsRefused(log_file_)) << "half a header";
  write_file(file_, database_);
  std::filesystem::remove(log_file_);
  EXPECT_THAT(open_outcome(file_), IsRefused(log_file_)) << "no log";
  EXPECT_THAT(open_outcome(file_), IsRefused(log_file_)) << "the second time as the first";
}

TEST_F(KilledStore, NamesACureThatWorks) {
  EXPECT_THAT(outcome(""), HasSubstr("sqlite3 " + file_ + " 'PRAGMA user_version = 1'"));
  std::filesystem::remove(log_file_);
  {
    auto database = sqlite::Database::open(file_);
    ASSERT_TRUE(database->execute("PRAGMA user_version = 1"));
  }
  EXPECT_EQ(open_outcome(file_), "opened");
}

// The machine lost its power while the last commit was on its way to the disk: nobody was told that it succeeded.
TEST_F(KilledStore, GoesOnFromATornEnd) {
  for (std::size_t size = last_commit_; size < log_.size(); size += 23) {
    ASSERT_EQ(log_outcome(log_.substr(0, size)), "good") << size;
  }
  for (std::size_t size = last_commit_; size < log_.size(); size += 1'001) {
    ASSERT_EQ(outcome(log_.substr(0, size)), "opened") << size;
    ASSERT_EQ(clients(), kClients - 1u) << size;
  }
  // Its pages may reach the disk in any order.
  for (std::size_t at = last_commit_; at < log_.size(); at += 512) {
    std::string log = log_;
    const std::size_t size = std::min<std::size_t>(512, log.size() - at);
    log.replace(at, size, size, '\0');
    ASSERT_EQ(log_outcome(log), "good") << at;
  }
}

TEST_F(KilledStore, IsKilledAgainAndAgain) {
  for (int round = 1; round <= 3; ++round) {
    expect_success(start_child([&] {
      auto store = open_store(file_);
      ASSERT_TRUE(store->commit(std::vector<Mutation>{InsertClient{contract::client(kClients + round)}})[0]);
      _exit(0);
    }));
  }
  EXPECT_EQ(clients(), kClients + 3u);
}

// Otherwise a copy of the database file alone, made while the gateway is stopped, would be no backup.
TEST_F(KilledStore, NeedsNoLogAfterAStop) {
  (void)open_store(file_);
  EXPECT_FALSE(std::filesystem::exists(log_file_));
  EXPECT_EQ(clients(), kClients);
}

TEST(WriteAheadLog, IsAskedForFromTheFirstStartOn) {
  const StoreDirectory directory;
  expect_success(start_child([&] {
    auto store = open_store(directory.file());
    _exit(0);
  }));
  std::filesystem::remove(directory.file() + "-wal");
  EXPECT_THAT(open_outcome(directory.file()), IsRefused(directory.file()));
}

}  // namespace
}  // namespace vpn::control
