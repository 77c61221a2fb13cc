#include "cli/store_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <map>
#include <sstream>

#include "base/test_directory.h"
#include "cli/progress_bar.h"
#include "cli/test_shared_memory_store.h"
#include "cli/test_snapshots.h"
#include "control/store/sqlite/sqlite_store.h"
#include "engine/crypto/x25519.h"

namespace vpn::cli {
namespace {

using control::contract::client;
using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

/// sqlite: is a file; mongodb://NAME a store in memory of that name.
class StoreCommand : public testing::Test {
 protected:
  struct Outcome {
    int code = 0;
    std::string out, err;
  };

  Outcome run(const Arguments& arguments) {
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code =
        run_store(arguments, [this](const StoreLocation& location, control::Access access, Logger& logger) {
          opened_.push_back(access);
          return open(location, logger);
        });
    const std::string out = testing::internal::GetCapturedStdout();
    return {code, out, testing::internal::GetCapturedStderr()};
  }

  Result<std::unique_ptr<control::Store>> open(const StoreLocation& location, Logger& logger) {
    if (const auto* file = std::get_if<SqliteFile>(&location)) {
      auto opened = control::SqliteStore::open(file->path, logger);
      if (!opened) return fail(opened.error());
      return std::move(*opened);
    }
    const auto* uri = std::get_if<MongodbUri>(&location);
    if (uri == nullptr) return fail(ErrorCode::kUnavailable, "nobody answers");
    return std::make_unique<BorrowedSharedStore>(memory(uri->uri));
  }

  SharedMemoryStore& memory(const std::string& uri) { return stores_[uri]; }

  static void insert(control::Store& store, const std::vector<control::Client>& clients) {
    std::vector<control::Mutation> mutations;
    for (const auto& one : clients) mutations.emplace_back(control::InsertClient{one});
    for (const Status& status : store.commit(mutations)) ASSERT_TRUE(status) << status.error().message;
  }

  std::string path(const std::string& name) const { return directory_.path() / name; }
  static std::string content(const std::string& path) {
    std::ifstream in(path);
    return {std::istreambuf_iterator<char>(in), {}};
  }

  const TestDirectory directory_;
  std::vector<control::Access> opened_;
  std::map<std::string, SharedMemoryStore> stores_;
  SeededRandom random_{5};
  const PrivateKey key_ = engine::crypto::generate_private_key(random_);
  SharedMemoryStore& a_ = memory("mongodb://a");
  SharedMemoryStore& b_ = memory("mongodb://b");
};

TEST_F(StoreCommand, CopiesAndSaysSo) {
  ASSERT_TRUE(a_.server_key(key_));
  insert(a_, {client(1), client(2), client(3), client(4)});
  insert(b_, {client(2)});
  control::Client other = client(3);
  other.enabled = false;
  insert(b_, {other});
  const Arguments copy{"copy", "--from", "mongodb://a", "--to", "mongodb://b"};

  Arguments dry = copy;
  dry.push_back("--dry-run");
  Outcome done = run(dry);
  EXPECT_EQ(opened_, std::vector(2, control::Access::kRead));
  EXPECT_EQ(done.code, 1);
  EXPECT_EQ(done.out,
            "4 clients: 2 would be copied, 1 already there, 1 in conflict\n"
            "the gateway's private key: would be copied\n");
  EXPECT_EQ(b_.load()->clients.size(), 2u);
  EXPECT_FALSE(b_.server_key(PrivateKey()));

  done = run(copy);
  EXPECT_EQ(done.code, 1);
  EXPECT_EQ(done.out, "4 clients: 2 copied, 1 already there, 1 in conflict\nthe gateway's private key: copied\n");
  EXPECT_EQ(done.err, "vpn-enabler: conflict: client " + to_string(client(3).public_key) +
                          " (192.168.2.3): it is there with another enabled\n");
  EXPECT_EQ(b_.load()->clients.size(), 4u);
}

TEST_F(StoreCommand, MovesASqliteStoreWithTheKeyBesideIt) {
  const auto clients = random_clients(1200, random_);
  ASSERT_TRUE(a_.server_key(key_));
  insert(a_, clients);
  Outcome done = run({"copy", "--from", "mongodb://a", "--to", "sqlite:" + path("state/")});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out, "1200 clients: 1200 copied\nthe gateway's private key: copied\n");
  EXPECT_THAT(done.err, IsEmpty());
  EXPECT_EQ(content(path("state/private-key")), reveal_base64(key_) + "\n");

  done = run({"copy", "--from", "sqlite:" + path("state"), "--to", "mongodb://b"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(control::contract::sorted(b_.load()->clients), control::contract::sorted(clients));
  EXPECT_EQ(b_.server_key(PrivateKey()).value(), key_);
}

TEST_F(StoreCommand, ADryRunMakesNoFile) {
  ASSERT_TRUE(a_.server_key(key_));
  insert(a_, {client(1)});
  const Outcome done = run({"copy", "--from", "mongodb://a", "--to", "sqlite:" + path("state/"), "--dry-run"});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out, "1 client: 1 would be copied\nthe gateway's private key: would be copied\n");
  EXPECT_FALSE(std::filesystem::exists(path("state")));
}

TEST_F(StoreCommand, ASourceThatIsNotThereIsNotMade) {
  for (const char* verb : {"copy", "export"}) {
    Arguments arguments{verb, "--from", "sqlite:" + path("clients.db")};
    if (arguments[0] == "copy") arguments.insert(arguments.end(), {"--to", "mongodb://b"});
    const Outcome done = run(arguments);
    EXPECT_EQ(done.code, 2);
    EXPECT_THAT(done.err, AllOf(HasSubstr("--from: "), HasSubstr(path("clients.db"))));
    EXPECT_FALSE(std::filesystem::exists(path("clients.db")));
  }
}

TEST_F(StoreCommand, AStoreThatCannotBeUsedIsNamed) {
  Outcome done = run({"copy", "--from", "ltse:http://x", "--to", "mongodb://b"});
  EXPECT_EQ(done.code, 2);
  EXPECT_THAT(done.err, HasSubstr("--from: nobody answers; run it again"));
  done = run({"copy", "--from", "mongodb://a", "--to", "ltse:http://x"});
  EXPECT_EQ(done.code, 2);
  EXPECT_THAT(done.err, HasSubstr("--to: nobody answers"));
}

TEST_F(StoreCommand, ABadLocationIsAUsageErrorThatShowsNoPassword) {
  for (const Arguments& arguments : std::initializer_list<Arguments>{
           {"copy", "--from", "postgres://u:secret@h", "--to", "mongodb://b"},
           {"copy", "--from", "mongodb://a", "--to", "ltse:u:secret@h"},
           {"export", "--from", "secret"},
           {"import", "--to", "secret", "-"},
       }) {
    const Outcome done = run(arguments);
    EXPECT_EQ(done.code, 2);
    EXPECT_THAT(done.err, AllOf(HasSubstr("for example sqlite:/"), Not(HasSubstr("secret"))));
  }
  const Outcome same = run({"copy", "--from", "mongodb://a", "--to", "mongodb://a"});
  EXPECT_EQ(same.code, 2);
  EXPECT_THAT(same.err, HasSubstr("the same store"));
}

TEST_F(StoreCommand, LocationsMayComeFromTheEnvironment) {
  insert(a_, {client(1)});
  ::setenv("VPN_STORE_FROM", "mongodb://a", 1);
  ::setenv("VPN_STORE_TO", "mongodb://b", 1);
  const Outcome done = run({"copy"});
  ::unsetenv("VPN_STORE_FROM");
  ::unsetenv("VPN_STORE_TO");
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(b_.load()->clients, std::vector{client(1)});
  EXPECT_EQ(run({"copy"}).code, 2);
}

TEST_F(StoreCommand, AnAbortSaysHowFarItCameAndIsMendedByRunningItAgain) {
  std::vector<control::Client> clients;
  for (int i = 1; i <= 2500; ++i) clients.push_back(control::contract::many_client(i));
  insert(a_, clients);
  b_.commits_left = 1;
  const Arguments copy{"copy", "--from", "mongodb://a", "--to", "mongodb://b"};
  Outcome done = run(copy);
  EXPECT_EQ(done.code, 1);
  EXPECT_EQ(done.out, "2500 clients: 1000 copied, 1500 not copied\n");
  EXPECT_THAT(done.err, HasSubstr("--to: the store is away; 1000 of 2500 clients are there: run it again"));
  b_.mend();
  done = run(copy);
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out, "2500 clients: 1500 copied, 1000 already there\n");
}

TEST_F(StoreCommand, NamesAFewConflictsAndFaultsAndCountsTheRest) {
  for (int i = 1; i <= 12; ++i) {
    insert(a_, {client(i)});
    control::Client other = client(i);
    other.enabled = false;
    insert(b_, {other});
    a_.faults.push_back("document " + std::to_string(i) + " \x1b[2J");
  }
  const Outcome done = run({"copy", "--from", "mongodb://a", "--to", "mongodb://b"});
  EXPECT_EQ(done.code, 1);
  EXPECT_EQ(done.out, "12 clients: 0 copied, 12 in conflict, 12 unfit for any store\n");
  EXPECT_THAT(done.err, AllOf(HasSubstr("conflict: 2 more\n"), HasSubstr("not copied: document 10 ?[2J\n"),
                              HasSubstr("not copied: 2 more\n"), Not(HasSubstr("document 11"))));
}

TEST_F(StoreCommand, WarnsOfAnotherKeyByItsPublicHalf) {
  const PrivateKey other = engine::crypto::generate_private_key(random_);
  ASSERT_TRUE(a_.server_key(key_));
  ASSERT_TRUE(b_.server_key(other));
  insert(a_, {client(1)});
  const Outcome done = run({"copy", "--from", "mongodb://a", "--to", "mongodb://b"});
  EXPECT_EQ(done.code, 1);
  EXPECT_THAT(done.err, AllOf(HasSubstr("warning"), HasSubstr(to_string(engine::crypto::derive_public_key(key_))),
                              HasSubstr(to_string(engine::crypto::derive_public_key(other)))));
  for (const PrivateKey& key : {key_, other}) EXPECT_THAT(done.out + done.err, Not(HasSubstr(reveal_base64(key))));
  EXPECT_EQ(b_.load()->clients.size(), 1u);
}

TEST_F(StoreCommand, ExportsToAPrivateFileAndImportsIt) {
  const auto clients = random_clients(1500, random_);
  ASSERT_TRUE(a_.server_key(key_));
  insert(a_, clients);
  Outcome done = run({"export", "--from", "mongodb://a", "--output", path("x.jsonl")});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out, "1500 clients exported\n");
  struct stat status{};
  ASSERT_EQ(::stat(path("x.jsonl").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);

  done = run({"export", "--from", "mongodb://a", "--output", path("x.jsonl")});
  EXPECT_EQ(done.code, 1);
  EXPECT_THAT(done.err, HasSubstr("exists already"));
  done = run({"export", "--from", "mongodb://a", "--output", path("x.jsonl"), "--force"});
  EXPECT_EQ(done.code, 0) << done.err;

  done = run({"import", "--to", "mongodb://b", path("x.jsonl"), "--dry-run"});
  EXPECT_EQ(done.out, "1500 clients: 1500 would be copied\nthe gateway's private key: would be copied\n");
  EXPECT_TRUE(b_.load()->clients.empty());
  done = run({"import", "--to", "mongodb://b", path("x.jsonl")});
  EXPECT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(control::contract::sorted(b_.load()->clients), control::contract::sorted(clients));
  EXPECT_EQ(b_.server_key(PrivateKey()).value(), key_);
}

TEST_F(StoreCommand, ExportsToAPipeAndKeepsItClean) {
  insert(a_, {client(1)});
  a_.faults = {"a fault"};
  const Outcome done = run({"export", "--from", "mongodb://a"});
  EXPECT_EQ(done.code, 0);
  EXPECT_EQ(done.out, exported({{client(1)}, {}, {}}));
  EXPECT_THAT(done.err, AllOf(HasSubstr("not exported: a fault"), HasSubstr("1 client exported, 1 unfit")));
}

TEST_F(StoreCommand, ImportsAllOrNothing) {
  std::ofstream(path("bad.jsonl")) << exported({{client(1), client(2)}, {}, key_}) << "{}\n";
  const Outcome done = run({"import", "--to", "mongodb://b", path("bad.jsonl")});
  EXPECT_EQ(done.code, 2);
  EXPECT_THAT(done.err, AllOf(HasSubstr("bad.jsonl, line 4: publicKey is missing"), HasSubstr("Nothing was imported")));
  EXPECT_TRUE(b_.load()->clients.empty());
  EXPECT_FALSE(b_.server_key(PrivateKey()));
  EXPECT_EQ(run({"import", "--to", "mongodb://b", path("none.jsonl")}).code, 2);
}

TEST_F(StoreCommand, HelpAndUsage) {
  for (const Arguments& arguments :
       std::initializer_list<Arguments>{{"--help"}, {"copy", "--help"}, {"export", "--help"}, {"import", "--help"}}) {
    const Outcome done = run(arguments);
    EXPECT_EQ(done.code, 0);
    EXPECT_THAT(done.out, HasSubstr("Example:\n  vpn-enabler store "));
  }
  for (const Arguments& arguments : std::initializer_list<Arguments>{{}, {"move"}, {"copy", "--from", "mongodb://a"}}) {
    const Outcome done = run(arguments);
    EXPECT_EQ(done.code, 2);
    EXPECT_THAT(done.err, HasSubstr("--help"));
    EXPECT_THAT(done.out, IsEmpty());
  }
}

TEST(ProgressBar, ShowsHowMuchIsDone) {
  EXPECT_EQ(format_progress("copying", 2500, 10000),
            "copying [##########..............................] 2500 of 10000");
  EXPECT_EQ(format_progress("copying", 3, 3), "copying [" + std::string(40, '#') + "] 3 of 3");
}

}  // namespace
}  // namespace vpn::cli
