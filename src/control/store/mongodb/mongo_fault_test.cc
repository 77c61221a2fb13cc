// The store when the server refuses, hangs, dies or changes hands.
#include <gmock/gmock.h>

#include <atomic>
#include <cstdlib>
#include <thread>

#include "control/store/mongodb/change_stream.h"
#include "control/store/mongodb/test_stores.h"
#include "control/store/test_clients.h"
#include "control/store/test_feed.h"

namespace vpn::control::mongodb {
namespace {

using testing::AnyOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kPassword = "correct-horse";

std::string load_error(const MongoOptions& options) {
  const auto store = make_store(options);
  const auto contents = store->load();
  if (contents) return "loaded";
  return std::string(to_string(contents.error().code)) + " " + contents.error().field + " " + contents.error().message;
}

std::string create_error(MongoOptions options) {
  NullLogger logger;
  const auto store = MongoStore::create(options, logger);
  if (store) return "created: " + (*store)->description();
  return store.error().field + ": " + store.error().message;
}

TEST(MongoOptions, NameTheSettingAtFaultAndNeverThePassword) {
  const auto with_host = [](const char* host) {
    MongoOptions options;
    options.host = host;
    return create_error(options);
  };
  EXPECT_EQ(with_host("db1,db2:27018"), "created: mongodb at db1:27017,db2:27018, database wireguard");
  EXPECT_EQ(with_host("mongodb://u:secret@db1/?replicaSet=rs0"), "created: mongodb at db1:27017, database wireguard");
  EXPECT_THAT(with_host(""), HasSubstr("MONGODB_HOST: "));
  EXPECT_THAT(with_host("db 1"), HasSubstr("MONGODB_HOST: "));
  EXPECT_THAT(with_host("http://db1"), HasSubstr("MONGODB_HOST: "));
  for (const char* host :
       {"mongodb://u:sec/ret@db1", "mongodb://u:sec@ret@db1", "mongodb://u:secret@", "mongodb://u:se%ret@db1/"}) {
    EXPECT_THAT(with_host(host), AllOf(HasSubstr("MONGODB_HOST: "), Not(HasSubstr("ret@")), Not(HasSubstr("sec"))));
  }
  MongoOptions lonely;
  lonely.host = "db1";
  lonely.password = kPassword;
  EXPECT_THAT(create_error(lonely), AllOf(HasSubstr("MONGODB_USER: "), Not(HasSubstr(kPassword))));
}

TEST(MongoOptions, NameTheOptionThatIsUnknownOrHasAWrongValue) {
  const auto error_of = [](const std::string& uri) {
    MongoOptions options;
    options.host = uri;
    return create_error(options);
  };
  for (const char* name :
       {"tlsAllowInvalidCertificate", "tlsCaFil", "sslVerifyCertificate", "replicaSett", "timeoutMS"}) {
    const auto named = AllOf(HasSubstr("MONGODB_HOST: "), HasSubstr("\"" + std::string(name) + "\", which is unknown"),
                             HasSubstr("for example: MONGODB_HOST=mongodb://"), Not(HasSubstr("secret")));
    EXPECT_THAT(error_of("mongodb://db1/?tls=true&" + std::string(name) + "=x"), named);
    EXPECT_THAT(error_of("mongodb://u:secret@db1/?" + std::string(name) + "=secret&tls=true"), named);
    EXPECT_THAT(error_of("mongodb+srv://u:secret@db.example.org/?" + std::string(name) + "=secret"), named);
  }
  for (const char* option :
       {"tls=ture", "tls=", "connectTimeoutMS=soon", "tls=true&tls=false", "readPreference=best"}) {
    const std::string name(option, std::string_view(option).find('='));
    EXPECT_THAT(error_of("mongodb://u:secret@db1/?replicaSet=rs0&" + std::string(option)),
                AllOf(HasSubstr("MONGODB_HOST: "), HasSubstr("the option \"" + name + "\""), Not(HasSubstr("secret"))));
  }
  // Where no option can be named, nothing of the URI is.
  for (const char* query : {"secret", "se:cret=secret", "compressors=secret"}) {
    EXPECT_THAT(error_of("mongodb://u:secret@db1/?" + std::string(query)),
                AllOf(HasSubstr("MONGODB_HOST: "), Not(HasSubstr("cret"))));
  }
  EXPECT_THAT(error_of("mongodb://db1/?TLS=true&tlscafile=/ca.pem&maxPoolSize=10"), HasSubstr("created: "));
}

TEST(MongoOptions, ReadFromThePrimaryWhateverTheUriPrefers) {
  MongoOptions options;
  options.host = "mongodb://db1,db2/?replicaSet=rs0&readPreference=secondary&readPreferenceTags=dc:east";
  const auto uri = parse_uri(options);
  ASSERT_TRUE(uri) << uri.error().message;
  EXPECT_EQ(mongoc_read_prefs_get_mode(mongoc_uri_get_read_prefs_t(uri->get())), MONGOC_READ_PRIMARY);
}

TEST(MongoFault, AServerThatIsAwayIsUnavailableWithinSeconds) {
  Mongod server;
  MongoOptions options;
  options.host = server.host();
  server.kill_hard();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_THAT(load_error(options), HasSubstr("unavailable"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(6));
  server.start();
  EXPECT_EQ(load_error(options), "loaded");
}

TEST(MongoFault, AWrongPasswordAndAMissingRightNameTheSetting) {
  Mongod server;
  run_command(server.uri(), "admin",
              R"({"createUser": "vpn", "pwd": "correct-horse", "roles": [{"role": "readWrite", "db": "wireguard"}]})");
  run_command(server.uri(), "admin",
              R"({"createUser": "guest", "pwd": "correct-horse", "roles": [{"role": "read", "db": "wireguard"}]})");
  server.restart_with({"--auth"});
  MongoOptions options;
  options.host = server.host();
  EXPECT_THAT(load_error(options), HasSubstr("permission denied MONGODB_USER"));
  options.user = "vpn";
  options.password = "wrong-horse";
  EXPECT_THAT(load_error(options), AllOf(HasSubstr("permission denied MONGODB_USER"), HasSubstr("MONGODB_PASS"),
                                         Not(HasSubstr("wrong-horse"))));
  options.user = "guest";
  options.password = kPassword;
  EXPECT_THAT(load_error(options),
              AllOf(HasSubstr("permission denied MONGODB_USER"), HasSubstr("readWrite"), Not(HasSubstr(kPassword))));
  options.user = "vpn";
  EXPECT_EQ(load_error(options), "loaded");
}

/// A certificate for 127.0.0.1, signed by itself, in a directory that goes with it.
class Certificate {
 public:
  Certificate() {
    std::string name = (std::filesystem::temp_directory_path() / "vpn-mongo-tls-XXXXXX").string();
    directory_ = mkdtemp(name.data());
    const std::string key = path("key.pem"), certificate = path("ca.pem");
    const std::string command =
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1 -addext "
        "subjectAltName=IP:127.0.0.1 -keyout " +
        key + " -out " + certificate + " 2>/dev/null && cat " + key + " " + certificate + " > " + path("both.pem");
    EXPECT_EQ(std::system(command.c_str()), 0);
  }
  ~Certificate() { std::filesystem::remove_all(directory_); }
  std::string path(const char* file) const { return (directory_ / file).string(); }

 private:
  std::filesystem::path directory_;
};

TEST(MongoFault, ABadCertificateNamesTheTlsOptions) {
  const Certificate servers, others;
  const auto uri = [](const Mongod& server, const std::string& ca) {
    MongoOptions options;
    options.host = "mongodb://vpn:" + std::string(kPassword) + "@" + server.host() + "/?tls=true&tlsCAFile=" + ca;
    return options;
  };
  Mongod server;
  run_command(server.uri(), "admin",
              R"({"createUser": "vpn", "pwd": "correct-horse", "roles": [{"role": "readWrite", "db": "wireguard"}]})");
  server.restart_with({"--auth", "--tlsMode", "requireTLS", "--tlsCertificateKeyFile", servers.path("both.pem"),
                       "--tlsCAFile", servers.path("ca.pem"), "--tlsAllowConnectionsWithoutCertificates"});
  EXPECT_EQ(load_error(uri(server, servers.path("ca.pem"))), "loaded");
  EXPECT_THAT(load_error(uri(server, others.path("ca.pem"))),
              AllOf(HasSubstr("permission denied MONGODB_HOST"), HasSubstr("tlsCAFile"), Not(HasSubstr(kPassword))));
  EXPECT_THAT(load_error(uri(server, servers.path("missing.pem"))),
              AllOf(HasSubstr("MONGODB_HOST"), HasSubstr("tlsCAFile"), Not(HasSubstr(kPassword))));
}

/// Commits insertions and changes without pause, on a thread of its own, and knows what was answered.
class Stream {
 public:
  Stream(MongoStore& store, int first) : store_(store), first_(first), thread_([this] { run(); }) {}

  /// Ends when the store has answered ok once more, so that all that was undecided is settled.
  void finish() {
    finishing_ = true;
    thread_.join();
  }
  void wait_for(int accepted) {
    while (accepted_count_ < accepted) accepted_count_.wait(accepted_count_);
  }

  /// What was answered, compared with what is there.
  void expect_kept(const std::vector<Client>& stored) const {
    std::set<PublicKey> there;
    for (const Client& client : stored) there.insert(client.public_key);
    for (const PublicKey& key : accepted_) EXPECT_TRUE(there.contains(key)) << "lost " << to_string(key);
    for (const PublicKey& key : refused_) EXPECT_FALSE(there.contains(key)) << "not taken back " << to_string(key);
  }
  std::size_t refused() const { return refused_.size(); }

 private:
  void run() {
    for (int number = first_;; number += 2) {
      const bool last = finishing_;
      const std::vector<Mutation> batch{InsertClient{contract::many_client(number)},
                                        InsertClient{contract::many_client(number + 1)}};
      const std::vector<Status> statuses = store_.commit(batch);
      for (std::size_t i = 0; i < batch.size(); ++i) {
        const PublicKey& key = std::get<InsertClient>(batch[i]).client.public_key;
        if (statuses[i]) {
          accepted_.push_back(key);
        } else {
          EXPECT_EQ(statuses[i].error().code, ErrorCode::kUnavailable) << statuses[i].error().message;
          refused_.push_back(key);
        }
      }
      if (statuses[0]) accepted_count_ += 1;
      accepted_count_.notify_all();
      if (last && statuses[0]) return;
    }
  }

  MongoStore& store_;
  const int first_;
  std::vector<PublicKey> accepted_, refused_;
  std::atomic<int> accepted_count_ = 0;
  std::atomic<bool> finishing_ = false;
  std::thread thread_;
};

std::vector<Client> load(MongoStore& store) {
  for (int attempt = 0; attempt < 20; ++attempt) {
    if (auto contents = store.load()) return std::move(contents->clients);
  }
  ADD_FAILURE() << "the server does not come back";
  return {};
}

TEST(MongoFault, AKilledServerLosesNothingAcknowledgedAndKeepsNothingRefused) {
  Mongod server;
  const auto store = make_store(server.uri(), "wireguard");
  Stream stream(*store, 0);
  for (int round = 1; round <= 3; ++round) {
    stream.wait_for(50 * round);
    server.kill_hard();
    server.start();
  }
  stream.finish();
  stream.expect_kept(load(*make_store(server.uri(), "wireguard")));
}

TEST(MongoFault, APrimaryThatIsKilledLosesNothingAcknowledgedAndItsFollowersCatchUp) {
  ReplicaSet servers(3);
  const auto store = make_store(servers.uri(), "wireguard"), other = make_store(servers.uri(), "wireguard");
  FollowedFeed feed(*other);
  Stream stream(*store, 0);
  stream.wait_for(50);
  servers.primary().kill_hard();
  stream.wait_for(150);
  stream.finish();
  stream.expect_kept(load(*other));
  const std::vector<Mutation> last{InsertClient{contract::client(1)}};
  feed.forget();
  ASSERT_EQ(contract::outcome(store->commit(last).at(0)), "ok");
  EXPECT_TRUE(feed.tells({contract::key(1)}));
}

// What the primary alone holds may be gone with it: nobody is refused by that.
TEST(MongoFault, RefusesByWhatNoFailOverCanTakeBack) {
  ReplicaSet servers(3, {"--setParameter", "enableTestCommands=1"});
  const auto first = make_store(servers.uri(), "wireguard"), second = make_store(servers.uri(), "wireguard");
  const auto commit = [](MongoStore& store, Mutation mutation) {
    return contract::outcome(store.commit(std::span(&mutation, 1)).at(0));
  };
  ASSERT_TRUE(first->load() && second->load());
  ASSERT_EQ(commit(*first, InsertClient{contract::client(1)}), "ok");
  const auto set_replication = [&](const char* stopped) {
    const Mongod& primary = servers.primary();
    for (const auto& member : servers.members()) {
      if (member.get() == &primary) continue;
      run_command(member->uri(), "admin",
                  R"({"configureFailPoint": "rsSyncApplyStop", "mode": ")" + std::string(stopped) + R"("})");
    }
  };
  set_replication("alwaysOn");
  EXPECT_EQ(commit(*first, RemoveClient{contract::key(1)}), "unavailable ");
  EXPECT_EQ(commit(*second, RemoveClient{contract::key(1)}), "unavailable ");
  EXPECT_EQ(commit(*first, InsertClient{contract::client(2)}), "unavailable ");
  EXPECT_EQ(commit(*second, InsertClient{contract::client(2)}), "unavailable ");
  set_replication("off");
  while (!first->probe() || !second->probe()) continue;
  EXPECT_EQ(commit(*second, RemoveClient{contract::key(1)}), "not found publicKey");
  EXPECT_EQ(commit(*second, InsertClient{contract::client(2)}), "ok");
  EXPECT_EQ(commit(*first, InsertClient{contract::client(2)}), "already exists publicKey");
}

class MongoChangeStream : public testing::Test {
 protected:
  /// The next command of that name fails, by a code that the library does not retry.
  void break_next(const char* command, int code) {
    run_command(server_.uri(), "admin",
                R"({"configureFailPoint": "failCommand", "mode": {"times": 1}, "data": {"failCommands": [")" +
                    std::string(command) + R"("], "errorCode": )" + std::to_string(code) + "}}");
  }
  static constexpr int kBadValue = 2, kChangeStreamHistoryLost = 286;

  ReplicaSet set_{1, {"--setParameter", "enableTestCommands=1"}};
  Mongod& server_ = set_.primary();
};

TEST_F(MongoChangeStream, GoesOnFromItsTokenWithWhatChangedMeanwhileByItsKey) {
  const auto store = make_store(server_.uri(), "wireguard"), other = make_store(server_.uri(), "wireguard");
  ASSERT_TRUE(store->load());
  FollowedFeed feed(*store);
  for (int number = 1; number <= 5; ++number) {
    break_next("getMore", kBadValue);
    const std::vector<Mutation> insertion{InsertClient{contract::client(number)}};
    ASSERT_EQ(contract::outcome(other->commit(insertion).at(0)), "ok");
    ASSERT_TRUE(feed.tells({contract::key(number)}));
  }
  EXPECT_GT(feed.failures(), 0u);
  EXPECT_EQ(feed.everythings(), 0u);
}

TEST_F(MongoChangeStream, TellsEverythingAfterALossThoughItFailsAgain) {
  ASSERT_TRUE(make_store(server_.uri(), "wireguard")->load());
  MongoOptions options;
  options.host = server_.uri();
  Server server(*parse_uri(options), options);
  const News news;
  ChangeStream stream(server, news);
  ASSERT_TRUE(stream.open());
  ASSERT_TRUE(stream.take());
  break_next("getMore", kChangeStreamHistoryLost);
  EXPECT_FALSE(stream.take());
  break_next("getMore", kBadValue);
  EXPECT_FALSE(stream.take());
  const auto changes = stream.take();
  ASSERT_TRUE(changes) << changes.error().message;
  EXPECT_TRUE(changes->everything);

  // One that breaks before its first answer misses nothing either.
  ChangeStream fresh(server, news);
  ASSERT_TRUE(fresh.open());
  break_next("getMore", kBadValue);
  EXPECT_FALSE(fresh.take());
  const std::vector<Mutation> insertion{InsertClient{contract::client(1)}};
  ASSERT_TRUE(make_store(server_.uri(), "wireguard")->commit(insertion).at(0));
  const auto told = fresh.take();
  ASSERT_TRUE(told) << told.error().message;
  EXPECT_EQ(told->keys, std::vector{contract::key(1)});
}

class MongoConversion : public testing::Test {
 protected:
  void change_through_second(int number) {
    const std::vector<Mutation> insertion{InsertClient{contract::client(number)}};
    // The first may meet the restart.
    while (true) {
      const Status s = second_->commit(insertion).at(0);
      if (s || s.error().code == ErrorCode::kAlreadyExists) return;
    }
  }

  Mongod server_;
  std::unique_ptr<MongoStore> first_ = make_store(server_.uri(), "wireguard"),
                              second_ = make_store(server_.uri(), "wireguard");
};

TEST_F(MongoConversion, ToAReplicaSetAndBackIsFollowed) {
  FollowedFeed feed(*first_);
  change_through_second(1);
  ASSERT_TRUE(feed.tells({contract::key(1)}));
  server_.restart_with({"--replSet", "rs0"});
  run_command(server_.uri(), "admin",
              R"({"replSetInitiate": {"_id": "rs0", "members": [{"_id": 0, "host": ")" + server_.host() + R"("}]}})");
  ASSERT_TRUE(feed.tells({contract::key(99)})) << "everything";
  change_through_second(2);
  ASSERT_TRUE(feed.tells({contract::key(2)}));
  const std::size_t everythings = feed.everythings();
  change_through_second(3);
  EXPECT_TRUE(feed.tells({contract::key(3)}, std::chrono::seconds(10)));
  EXPECT_EQ(feed.everythings(), everythings) << "by its key";
  server_.restart_with({});
  ASSERT_TRUE(feed.tells({contract::key(99)})) << "everything";
  change_through_second(4);
  EXPECT_TRUE(feed.tells({contract::key(4)}, std::chrono::seconds(10)));
}

TEST_F(MongoConversion, AServerThatStandsAloneAndWasKilledMayHaveLostAnnouncements) {
  FollowedFeed feed(*first_);
  change_through_second(1);
  ASSERT_TRUE(feed.tells({contract::key(1)}));
  for (int round = 0; round < 3; ++round) {
    server_.kill_hard();
    server_.start();
    EXPECT_TRUE(feed.tells({contract::key(99)}, std::chrono::seconds(15))) << "everything";
  }
}

TEST(MongoFaultSlow, AFrozenServerIsUnavailableAndCatchesUpByItself) {
  Mongod server;
  const auto store = make_store(server.uri(), "wireguard"), other = make_store(server.uri(), "wireguard");
  FollowedFeed feed(*other);
  Stream stream(*store, 0);
  stream.wait_for(50);
  server.freeze();
  std::this_thread::sleep_for(std::chrono::seconds(20));  // the fault itself, not a wait for something
  server.thaw();
  stream.finish();
  EXPECT_GT(stream.refused(), 0u);
  stream.expect_kept(load(*other));
  feed.forget();
  const std::vector<Mutation> last{InsertClient{contract::client(1)}};
  ASSERT_EQ(contract::outcome(store->commit(last).at(0)), "ok");
  EXPECT_TRUE(feed.tells({contract::key(1)}));
}

}  // namespace
}  // namespace vpn::control::mongodb
