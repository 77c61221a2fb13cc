// From every kind of store into every other, those of the network on real servers.
#include <fstream>

#include "cli/store_command.h"
#include "cli/test_store_ends.h"
#include "control/store/ltse/test_replica.h"
#include "control/store/mongodb/test_stores.h"

namespace vpn::cli {
namespace {

class SharedEnd : public StoreEndUnderTest {
 public:
  const StoreEnd& end() override { return end_; }

 protected:
  explicit SharedEnd(std::unique_ptr<control::SharedStore> store)
      : end_{std::move(store), [this](const PrivateKey& fresh) { return end_.store->shared()->server_key(fresh); }} {}

 private:
  StoreEnd end_;
};

class MongodbEnd final : public SharedEnd {
 public:
  MongodbEnd()
      : SharedEnd(
            control::mongodb::make_store(control::mongodb::standalone().uri(), control::mongodb::fresh_database())) {}
};

class LtseEnd final : public SharedEnd {
 public:
  LtseEnd() : SharedEnd(open()) {}

 private:
  static std::unique_ptr<control::LtseStore> open() {
    static const SystemClock clock;
    static SystemRandom random;
    static NullLogger logger;
    auto store = control::LtseStore::create({control::gateway().url(), control::fresh_index()}, clock, random, logger);
    CHECK(store);
    return std::move(*store);
  }
};

const StoreKindUnderTest kKinds[] = {
    {"Memory", [] { return std::make_unique<MemoryEnd>(); }},
    {"Sqlite", [] { return std::make_unique<SqliteEnd>(); }},
    {"Mongodb", [] { return std::make_unique<MongodbEnd>(); }},
    {"Ltse", [] { return std::make_unique<LtseEnd>(); }},
};

INSTANTIATE_TEST_SUITE_P(AllPairs, StoreTransferContract,
                         testing::Combine(testing::ValuesIn(kKinds), testing::ValuesIn(kKinds)), pair_name);

/// `vpn-enabler store`, as the program runs it.
int run(const Arguments& arguments) {
  static const SystemClock clock;
  static SystemRandom random;
  return run_store(arguments,
                   [](const StoreLocation& location, control::Access access,
                      Logger& logger) -> Result<std::unique_ptr<control::Store>> {
                     if (const auto* mongodb = std::get_if<MongodbUri>(&location)) {
                       control::MongoOptions options;
                       options.host = mongodb->uri;
                       options.access = access;
                       return control::MongoStore::create(options, logger);
                     }
                     const auto& ltse = std::get<LtseIndex>(location);
                     return control::LtseStore::create({ltse.url, ltse.index, access}, clock, random, logger);
                   });
}

TEST(StoreThatIsOnlyRead, IsLeftAsItWasAndNeedsNoMoreThanTheRightToRead) {
  control::mongodb::Mongod server;
  for (const char* user : {R"("guest", "pwd": "secret", "roles": [{"role": "read", "db": "wireguard"}])",
                           R"("root", "pwd": "secret", "roles": ["root"])"}) {
    control::mongodb::run_command(server.uri(), "admin", std::string(R"({"createUser": )") + user + "}");
  }
  server.restart_with({"--auth"});
  const std::string root = "mongodb://root:secret@" + server.host() + "/?directConnection=true";
  const std::string guest = "mongodb://guest:secret@" + server.host() + "/?directConnection=true";
  const auto count = [&](const char* what) {
    return control::mongodb::integer_of(*control::mongodb::run_command(root, "wireguard", R"({"dbStats": 1})").get(),
                                        what);
  };
  const std::string index = control::fresh_index();
  const std::string ltse = "ltse:" + control::gateway().url() + "#" + index;
  const Arguments dry_run{"copy", "--from", guest, "--to", ltse, "--dry-run"};
  EXPECT_EQ(run(dry_run), 0) << "an empty store is a store";
  EXPECT_EQ(run({"copy", "--from", ltse, "--to", guest, "--dry-run"}), 2) << "a source must be there";
  EXPECT_EQ(count("collections"), 0);

  control::mongodb::insert_json(
      root, "wireguard", "peers",
      {"{\"clientPublicKey\": \"" + to_string(control::contract::key(1)) +
       R"(", "presharedKey": "undefined", "clientIP": 3232235778.0, "allowedIPs": "",)" + R"( "enabled": true})"});
  const TestDirectory directory;
  const std::string file = directory.path() / "clients.jsonl";
  EXPECT_EQ(run({"export", "--from", guest, "--output", file}), 0);
  std::ifstream exported(file);
  EXPECT_EQ(std::count(std::istreambuf_iterator<char>(exported), {}, '\n'), 2) << "a header and a client";
  EXPECT_EQ(run(dry_run), 0);
  EXPECT_EQ(count("collections"), 1);
  EXPECT_EQ(count("indexes"), 1) << "that of _id";
  for (const char* suffix : {"", "-gateway"}) {
    EXPECT_NE(control::gateway().direct("GET", "/" + index + suffix).find("index_not_found"), std::string::npos);
  }

  EXPECT_EQ(run({"copy", "--from", guest, "--to", ltse}), 0);
  EXPECT_EQ(run({"copy", "--from", ltse, "--to", guest, "--dry-run"}), 0);
  EXPECT_EQ(run({"copy", "--from", ltse, "--to", guest}), 2) << "it may not write";
  EXPECT_EQ(count("collections"), 1);
}

}  // namespace
}  // namespace vpn::cli
