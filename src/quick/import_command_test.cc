#include "quick/import_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <sstream>

#include "base/test_directory.h"
#include "cli/state.h"
#include "cli/test_shared_memory_store.h"
#include "control/store/sqlite/sqlite_store.h"
#include "quick/test_server_file.h"

namespace vpn::quick {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kOtherPrivate = "eAnz5TF+lXXJte14tji3zlMNq+hd2rYUIgJBgB3fBmk=";

/// Imports into a SQLite file of the test's own, unless it brings another store.
class ImportCommand : public testing::Test {
 protected:
  struct Outcome {
    int code = 0;
    std::string out, err;
  };

  ImportCommand() { write(kPrivate, peer(2, "10.8.0.2/32", "alice") + peer(3, "10.8.0.3/32", "bob")); }

  void write(const std::string& private_key, const std::string& peers) const {
    std::ofstream(file()) << "[Interface]\nPrivateKey = " << private_key
                          << "\nAddress = 10.8.0.1/24\nListenPort = 51820\n"
                          << peers;
  }

  Outcome run(std::vector<std::string> arguments = {}) {
    arguments.insert(arguments.begin(), {file(), "--state-dir", state_dir()});
    testing::internal::CaptureStdout();
    testing::internal::CaptureStderr();
    const int code =
        run_import(arguments, [this](const cli::Settings& settings, Logger& logger) { return open(settings, logger); });
    const std::string out = testing::internal::GetCapturedStdout();
    return {code, out, testing::internal::GetCapturedStderr()};
  }

  Result<std::unique_ptr<control::Store>> open(const cli::Settings& settings, Logger& logger) const {
    if (shared_) return std::unique_ptr<control::Store>(std::make_unique<cli::BorrowedSharedStore>(*shared_));
    auto store = control::SqliteStore::open(settings.state_dir / "clients.db", logger);
    if (!store) return fail(store.error());
    return std::unique_ptr<control::Store>(*std::move(store));
  }

  /// "alice 10.8.0.2, bob 10.8.0.3".
  std::string clients() const {
    NullLogger logger;
    const auto store = control::SqliteStore::open(std::filesystem::path(state_dir()) / "clients.db", logger);
    EXPECT_TRUE(store);
    std::map<std::string, std::string> sorted;
    const auto contents = (*store)->load();
    EXPECT_TRUE(contents);
    for (const control::Client& client : contents->clients) sorted[to_string(client.address)] = client.name;
    std::string text;
    for (const auto& [address, name] : sorted) text += (text.empty() ? "" : ", ") + name + " " + address;
    return text;
  }
  Result<PrivateKey> kept_key() const { return cli::load_or_keep_private_key(state_dir(), PrivateKey()); }

  std::string file() const { return directory_.path() / "wg0.conf"; }
  std::string state_dir() const { return directory_.path() / "state"; }

  TestDirectory directory_;
  std::unique_ptr<cli::SharedMemoryStore> shared_;  ///< instead of the file
};

TEST_F(ImportCommand, BringsKeyAndPeersAndPrintsTheSettings) {
  const Outcome outcome = run();
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("wg0.conf\nWG_SUBNET=10.8.0.1/24\nWG_PORT=51820\nWG_INTERFACE=wg0\nNAT=off\n"));
  EXPECT_THAT(outcome.err, HasSubstr("2 clients: 2 imported; the private key: kept"));
  EXPECT_EQ(clients(), "alice 10.8.0.2, bob 10.8.0.3");
  EXPECT_EQ(reveal_base64(*kept_key()), kPrivate);
  EXPECT_THAT(outcome.out + outcome.err, Not(HasSubstr(kPrivate)));
}

TEST_F(ImportCommand, CanBeDoneAgain) {
  ASSERT_EQ(run().code, 0);
  write(kPrivate, peer(2, "10.8.0.2/32", "alice") + peer(3, "10.8.0.3/32", "bob") + peer(4, "10.8.0.4/32", "carol"));
  const Outcome again = run({"--peer-allowed-ips", "10.0.0.0/8"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_THAT(again.err, HasSubstr("3 clients: 1 imported, 2 already there; the private key: already there"));
  EXPECT_EQ(clients(), "alice 10.8.0.2, bob 10.8.0.3, carol 10.8.0.4");
}

TEST_F(ImportCommand, OnlyLooksInADryRun) {
  const Outcome outcome = run({"--dry-run"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("2 clients: 2 would be imported; the private key: would be kept"));
  EXPECT_FALSE(std::filesystem::exists(state_dir()));
}

TEST_F(ImportCommand, ChangesNothingWhenAPeerIsNoClient) {
  write(kPrivate, peer(2, "10.8.0.2/32", "alice") + peer(3, "10.8.0.3/32, 192.168.7.0/24", "branch") +
                      peer(4, "10.9.0.1/32", "far"));
  const Outcome outcome = run();
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("(branch)"), HasSubstr("(far)"), HasSubstr("2 peers of "),
                                 HasSubstr("Nothing was changed")));
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(clients(), "");
  EXPECT_FALSE(kept_key());
  const Outcome skipping = run({"--skip"});
  EXPECT_EQ(skipping.code, 0) << skipping.err;
  EXPECT_THAT(skipping.err, HasSubstr("1 client: 1 imported, 2 peers left out"));
  EXPECT_EQ(clients(), "alice 10.8.0.2");
}

TEST_F(ImportCommand, ChangesNothingWhenAnAddressIsTaken) {
  ASSERT_EQ(run().code, 0);
  write(kPrivate, peer(9, "10.8.0.2/32", "zoe") + peer(4, "10.8.0.4/32", "carol"));
  const Outcome outcome = run();
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("its address belongs to another client"));
  EXPECT_EQ(clients(), "alice 10.8.0.2, bob 10.8.0.3");
}

TEST_F(ImportCommand, KeepsAnotherKeyThatIsThere) {
  ASSERT_EQ(run().code, 0);
  write(kOtherPrivate, peer(4, "10.8.0.4/32", "carol"));
  for (const std::vector<std::string>& arguments : {std::vector<std::string>{}, {"--skip"}, {"--dry-run"}}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.code, 2);
    EXPECT_THAT(outcome.err, HasSubstr("keeps the private key of another gateway"));
  }
  EXPECT_EQ(reveal_base64(*kept_key()), kPrivate);
  EXPECT_EQ(clients(), "alice 10.8.0.2, bob 10.8.0.3");
}

TEST_F(ImportCommand, RefusesASettingThatGivesAnotherKey) {
  const Outcome outcome = run({"--wg-private-key", kOtherPrivate});
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("WG_PRIVATE_KEY is set and is not the file's PrivateKey"));
  EXPECT_FALSE(kept_key());
}

TEST_F(ImportCommand, WaitsForNoGatewayThatRuns) {
  ASSERT_TRUE(cli::prepare_state_directory(state_dir()));
  const auto lock = cli::lock_state_directory(state_dir());
  ASSERT_TRUE(lock);
  const Outcome outcome = run();
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("is in use by another process"));
}

TEST_F(ImportCommand, NamesTheFaultOfTheFile) {
  std::ofstream(file()) << "[Interface]\nMTU = many\n";
  const Outcome outcome = run();
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("wg0.conf: line 2: MTU=\"many\""));
}

TEST_F(ImportCommand, BringsThemIntoAStoreOfReplicas) {
  shared_ = std::make_unique<cli::SharedMemoryStore>();
  const Outcome outcome = run({"--mongodb-host", "mongo.example.org"});
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_EQ(shared_->load()->clients.size(), 2u);
  EXPECT_EQ(reveal_base64(*shared_->server_key(PrivateKey())), kPrivate);
  EXPECT_FALSE(std::filesystem::exists(state_dir()));
}

}  // namespace
}  // namespace vpn::quick
