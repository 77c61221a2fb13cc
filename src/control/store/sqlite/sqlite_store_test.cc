#include "control/store/sqlite/sqlite_store.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <set>

#include "base/random.h"
#include "base/unique_fd.h"
#include "control/store/sqlite/database.h"
#include "control/store/sqlite/schema.h"
#include "control/store/sqlite/test_support.h"
#include "control/store/store_contract_test.h"
#include "control/store/test_clients.h"

namespace vpn::control {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class SqliteStoreUnderTest final : public StoreUnderTest {
 public:
  Store& store() override { return *store_; }
  void reopen() override {
    store_.reset();
    store_ = open_store(directory_.file());
  }

 private:
  StoreDirectory directory_;
  std::unique_ptr<SqliteStore> store_ = open_store(directory_.file());
};

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreContract, ::testing::Values([]() -> std::unique_ptr<StoreUnderTest> {
                           return std::make_unique<SqliteStoreUnderTest>();
                         }));

mode_t mode_of(const std::filesystem::path& path) {
  struct stat status{};
  EXPECT_EQ(stat(path.c_str(), &status), 0) << path;
  return status.st_mode & 07777;
}

/// Another program's view of the file, or a hostile one.
void change_file(const std::string& path, const std::string& sql) {
  auto database = sqlite::Database::open(path);
  ASSERT_TRUE(database) << database.error().message;
  const Status changed = database->execute(sql);
  ASSERT_TRUE(changed) << changed.error().message;
}

TEST(SqliteStore, CreatesPrivateFilesInAPrivateDirectory) {
  const StoreDirectory directory;
  const std::filesystem::path nested = directory.path() / "var" / "state";
  const auto store = open_store(nested / "clients.db");
  ASSERT_TRUE(store->commit(std::vector<Mutation>{InsertClient{contract::client(1)}})[0]);
  EXPECT_EQ(mode_of(nested.parent_path()), 0700u);
  EXPECT_EQ(mode_of(nested), 0700u);
  std::set<std::string> names;
  for (const auto& file : std::filesystem::directory_iterator(nested)) {
    names.insert(file.path().filename());
    EXPECT_EQ(mode_of(file.path()), 0600u) << file.path();
  }
  EXPECT_EQ(names, (std::set<std::string>{"clients.db", "clients.db-wal"}));
}

TEST(SqliteStore, ClosesAFileThatOthersCouldRead) {
  const StoreDirectory directory;
  (void)open_store(directory.file());
  ASSERT_EQ(chmod(directory.file().c_str(), 0644), 0);
  EXPECT_EQ(open_outcome(directory.file()), "opened");
  EXPECT_EQ(mode_of(directory.file()), 0600u);
}

TEST(SqliteStore, ExplainsEachColumnInItsSchema) {
  const StoreDirectory directory;
  (void)open_store(directory.file());
  auto database = sqlite::Database::open(directory.file());
  const std::string schema = *database->read_text("SELECT sql FROM sqlite_schema WHERE name = 'client'");
  const auto columns = *database->read_integer("SELECT count(*) FROM pragma_table_info('client')");
  std::size_t comments = 0;
  for (std::size_t at = schema.find("-- "); at != schema.npos; at = schema.find("-- ", at + 1)) ++comments;
  EXPECT_EQ(comments, static_cast<std::size_t>(columns)) << schema;
  EXPECT_EQ(*database->read_integer("PRAGMA user_version"), sqlite::schema_version());
  EXPECT_EQ(*database->read_integer("PRAGMA application_id"), sqlite::kApplicationId);
  EXPECT_EQ(*database->read_text("PRAGMA journal_mode"), "wal");
}

TEST(SqliteStore, RefusesASecondProcess) {
  const StoreDirectory directory;
  auto store = open_store(directory.file());
  expect_success(start_child([&] {
    EXPECT_THAT(open_outcome(directory.file()), AllOf(StartsWith("unavailable: "), HasSubstr(directory.file()),
                                                      HasSubstr("in use by another process"), HasSubstr("STATE_DIR")));
  }));
  ASSERT_TRUE(store->commit(std::vector<Mutation>{InsertClient{contract::client(1)}})[0]);
  store.reset();
  expect_success(start_child([&] { EXPECT_EQ(open_outcome(directory.file()), "opened"); }));
}

TEST(SqliteStore, RefusesADirectoryItMayNotWrite) {
  const StoreDirectory directory;
  const std::string file = directory.file();
  (void)open_store(file);
  ASSERT_EQ(chmod(directory.path().c_str(), 0555), 0);
  expect_success(start_child([&] {
    // Root may write anywhere, so the child becomes nobody.
    if (geteuid() == 0) {
      ASSERT_EQ(setresuid(65534, 65534, 65534), 0);
    }
    for (const std::string& path : {file, directory.file("new.db"), directory.file("deeper/new.db")}) {
      EXPECT_THAT(open_outcome(path), AllOf(StartsWith("permission denied: "), HasSubstr(directory.path().string()),
                                            HasSubstr("STATE_DIR")));
    }
  }));
  ASSERT_EQ(chmod(directory.path().c_str(), 0700), 0);
}

TEST(SqliteStore, RefusesAFileThatIsNoDatabaseAndLeavesItAlone) {
  const StoreDirectory directory;
  const std::string content(8192, 'x');
  write_file(directory.file(), content);
  EXPECT_THAT(open_outcome(directory.file()),
              AllOf(StartsWith("corrupt: "), HasSubstr(directory.file()), HasSubstr("backup")));
  EXPECT_EQ(read_file(directory.file()), content);
}

TEST(SqliteStore, RefusesAnotherProgramsDatabaseAndLeavesItAlone) {
  const StoreDirectory directory;
  write_file(directory.file(), "");
  change_file(directory.file(), "CREATE TABLE theirs (x)");
  const std::string content = read_file(directory.file());
  EXPECT_THAT(open_outcome(directory.file()), AllOf(StartsWith("corrupt: "), HasSubstr(directory.file()),
                                                    HasSubstr("another program"), HasSubstr("STATE_DIR")));
  EXPECT_EQ(read_file(directory.file()), content);
}

TEST(SqliteStore, RefusesANewerFormatNamingBothVersions) {
  const StoreDirectory directory;
  (void)open_store(directory.file());
  change_file(directory.file(), "PRAGMA user_version = 77");
  EXPECT_THAT(open_outcome(directory.file()),
              AllOf(StartsWith("unsupported: "), HasSubstr("77"), HasSubstr(std::to_string(sqlite::schema_version()))));
}

TEST(SqliteStore, RefusesADamagedPage) {
  const StoreDirectory directory;
  auto store = open_store(directory.file());
  for (int number = 1; number < 200; ++number) {
    ASSERT_TRUE(store->commit(std::vector<Mutation>{InsertClient{contract::client(number)}})[0]);
  }
  store.reset();
  std::string content = read_file(directory.file());
  for (std::size_t at = 4096; at < content.size(); at += 4096) content.replace(at, 64, std::string(64, '\xee'));
  write_file(directory.file(), content);
  EXPECT_THAT(open_outcome(directory.file()),
              AllOf(StartsWith("corrupt: "), HasSubstr(directory.file()), HasSubstr("backup")));
}

TEST(SqliteStore, RefusesATruncatedFile) {
  const StoreDirectory directory;
  auto store = open_store(directory.file());
  for (int number = 1; number < 200; ++number) {
    ASSERT_TRUE(store->commit(std::vector<Mutation>{InsertClient{contract::client(number)}})[0]);
  }
  store.reset();
  std::filesystem::resize_file(directory.file(), std::filesystem::file_size(directory.file()) / 2);
  EXPECT_THAT(open_outcome(directory.file()), StartsWith("corrupt: "));
}

TEST(SqliteStore, RefusesALogWithoutItsDatabase) {
  const StoreDirectory directory;
  const pid_t child = start_child([&] {
    auto store = open_store(directory.file());
    ASSERT_TRUE(store->commit(std::vector<Mutation>{InsertClient{contract::client(1)}})[0]);
    _exit(0);  // as a crash: the log stays
  });
  expect_success(child);
  for (const auto& break_it :
       std::vector<std::function<void()>>{[&] { std::filesystem::resize_file(directory.file(), 0); },
                                          [&] { std::filesystem::remove(directory.file()); }}) {
    break_it();
    EXPECT_THAT(open_outcome(directory.file()), AllOf(StartsWith("corrupt: "), HasSubstr("-wal")));
  }
}

TEST(SqliteStore, RefusesARowThatIsNoClient) {
  const StoreDirectory directory;
  (void)open_store(directory.file());
  change_file(directory.file(),
              "PRAGMA ignore_check_constraints = ON;"
              "INSERT INTO client VALUES (1, x'0102', NULL, '', NULL, 1, 0)");
  // quick_check sees it already; read_row() would see what quick_check might not.
  EXPECT_THAT(open_outcome(directory.file()), AllOf(StartsWith("corrupt: "), HasSubstr(directory.file())));
}

TEST(SqliteStore, WorksAgainWhenTheFullDiskHasRoom) {
  const StoreDirectory directory;
  const auto store = open_store(directory.file());
  ASSERT_TRUE(store->commit(std::vector<Mutation>{InsertClient{contract::client(1)}})[0]);

  // A limit on the size of files stands for the full disk here; disk_fault_test.cc has a real one.
  expect_success(start_child([&] {
    const std::string file = directory.file("limited.db");
    const auto limited = open_store(file);
    const auto log_size = [&] { return std::filesystem::file_size(file + "-wal"); };
    const auto first_size = log_size();
    int number = 0;
    while (log_size() == first_size) {  // until no room is left in it
      ASSERT_TRUE(limited->commit(std::vector<Mutation>{InsertClient{contract::client(++number)}})[0]);
    }
    signal(SIGXFSZ, SIG_IGN);
    const rlimit full{log_size(), RLIM_INFINITY}, room{RLIM_INFINITY, RLIM_INFINITY};
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &full), 0);
    const auto statuses =
        limited->commit(std::vector<Mutation>{InsertClient{contract::client(98)}, RemoveClient{contract::key(99)}});
    for (const Status& status : statuses) EXPECT_EQ(contract::outcome(status), "unavailable ");
    EXPECT_FALSE(limited->probe());
    ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &room), 0);
    EXPECT_TRUE(limited->probe());
    EXPECT_EQ(limited->load()->clients.size(), static_cast<std::size_t>(number));
    EXPECT_TRUE(limited->commit(std::vector<Mutation>{InsertClient{contract::client(98)}})[0]);
  }));
}

/// While it lives, SQLite opens its files through it, and the syncs of write-ahead logs are counted. One at a time.
class CountedSyncs {
 public:
  CountedSyncs() {
    vfs_.zName = "counted-syncs";
    vfs_.xOpen = open;
    EXPECT_EQ(sqlite3_vfs_register(&vfs_, 1), SQLITE_OK);
    count_ = 0;
  }
  ~CountedSyncs() {
    sqlite3_vfs_unregister(&vfs_);
    sqlite3_vfs_register(real_, 1);
  }
  CountedSyncs(const CountedSyncs&) = delete;
  CountedSyncs& operator=(const CountedSyncs&) = delete;

  int take() { return std::exchange(count_, 0); }

 private:
  static int open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    const int result = real_->xOpen(real_, name, file, flags, out_flags);
    if (result != SQLITE_OK || (flags & SQLITE_OPEN_WAL) == 0) return result;
    real_sync_ = file->pMethods->xSync;
    methods_ = *file->pMethods;
    methods_.xSync = sync;
    file->pMethods = &methods_;
    return result;
  }
  static int sync(sqlite3_file* file, int flags) {
    ++count_;
    return real_sync_(file, flags);
  }

  // SQLite's callbacks know no owner.
  static inline sqlite3_vfs* const real_ = sqlite3_vfs_find(nullptr);
  static inline int (*real_sync_)(sqlite3_file*, int) = nullptr;
  static inline sqlite3_io_methods methods_{};
  static inline int count_ = 0;

  sqlite3_vfs vfs_ = *real_;
};

// A killed process does not show it: the page cache lives on. A lost sync is lost clients only when the power goes.
TEST(SqliteStore, SyncsTheLogBeforeItAnswers) {
  const StoreDirectory directory;
  CountedSyncs syncs;
  auto store = open_store(directory.file());
  const std::vector<std::vector<Mutation>> batches = {
      {InsertClient{contract::client(1)}},
      {SetClientEnabled{contract::key(1), false}},
      {InsertClient{contract::client(2)}, InsertClient{contract::client(3)}, RemoveClient{contract::key(9)}},
      {RemoveClient{contract::key(1)}}};
  (void)syncs.take();
  for (const auto& batch : batches) {
    ASSERT_TRUE(store->commit(batch)[0]);
    EXPECT_GE(syncs.take(), 1);
  }
  ASSERT_TRUE(store->probe());
  EXPECT_GE(syncs.take(), 1) << "what is probed is whether a commit can be durable";
  store.reset();  // before its VFS goes
}

/// Commits clients numbered from `first` on, one batch after another, and writes each acknowledged number to
/// `acknowledgements`.
[[noreturn]] void commit_until_killed(const std::string& path, std::uint32_t first, int acknowledgements) {
  const auto store = open_store(path);
  for (std::uint32_t number = first;; number += 3) {
    std::vector<Mutation> batch;
    for (std::uint32_t i = 0; i < 3; ++i) {
      Client client = contract::client(0);
      store_le32(client.public_key.bytes.data(), number + i);
      client.address = IpAddress::v4(0x0a000000 + number + i);
      client.name = std::to_string(number + i);
      batch.emplace_back(InsertClient{client});
    }
    for (const Status& status : store->commit(batch)) {
      if (!status) _exit(1);
    }
    const std::uint32_t last = number + 2;
    if (write(acknowledgements, &last, sizeof last) != sizeof last) _exit(1);
  }
}

TEST(SqliteStore, KeepsEveryAcknowledgedClientWhenKilled) {
  const StoreDirectory directory;
  std::uint32_t next = 1;  // the number that the next child begins with
  for (std::uint32_t round = 0; round < 50; ++round) {
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    const UniqueFd reader(ends[0]);
    UniqueFd writer(ends[1]);
    const pid_t child = start_child([&] { commit_until_killed(directory.file(), next, writer.get()); });
    writer.reset();
    std::uint32_t acknowledged = 0;
    for (std::uint32_t i = 0; i <= round % 7; ++i) ASSERT_EQ(read(reader.get(), &acknowledged, sizeof acknowledged), 4);
    ASSERT_EQ(kill(child, SIGKILL), 0);
    ASSERT_EQ(waitpid(child, nullptr, 0), child);
    while (read(reader.get(), &acknowledged, sizeof acknowledged) == 4) {
    }

    const auto contents = open_store(directory.file())->load();
    ASSERT_TRUE(contents);
    std::set<std::uint32_t> numbers;
    for (const Client& client : contents->clients) numbers.insert(load_le32(client.public_key.bytes.data()));
    ASSERT_EQ(numbers.size(), contents->clients.size()) << "one is there twice";
    ASSERT_GE(*numbers.rbegin(), acknowledged) << "an acknowledged client is gone";
    ASSERT_EQ(*numbers.rbegin(), numbers.size()) << "a client in the middle is gone";
    ASSERT_EQ(numbers.size() % 3, 0u) << "half a batch is there";
    next = *numbers.rbegin() + 1;
  }
}

TEST(SqliteStore, LoadsAHundredThousandClientsQuickly) {
  const StoreDirectory directory;
  auto store = open_store(directory.file());
  SeededRandom random(1);
  std::vector<Mutation> batch;
  for (std::uint32_t number = 1; number <= 100'000; ++number) {
    Client client = contract::client(0);
    random.fill(client.public_key.bytes);
    random.fill(client.preshared_key.emplace().reveal_mutable());
    client.address = IpAddress::v4(0x0a000001 + number);
    client.name = "client " + std::to_string(number);
    batch.emplace_back(InsertClient{client});
  }
  for (const Status& status : store->commit(batch)) ASSERT_TRUE(status);
  store.reset();

  const auto begin = std::chrono::steady_clock::now();
  store = open_store(directory.file());
  const auto contents = store->load();
  const auto taken = std::chrono::steady_clock::now() - begin;
  const std::vector<Client>& clients = contents->clients;
  ASSERT_EQ(clients.size(), batch.size());
  EXPECT_EQ(clients.front().name, "client 1");
  EXPECT_EQ(clients.back().name, "client 100000");
  // About 0.1 s on two idle cores; the bound leaves room for a sanitizer and a busy machine.
  EXPECT_LT(taken, std::chrono::seconds(5)) << taken / std::chrono::milliseconds(1) << " ms";
}

}  // namespace
}  // namespace vpn::control
