// The LTSE that is away, busy, slow, killed or not an LTSE: what is acknowledged is there, what is refused is not.
#include <gtest/gtest.h>

#include <boost/json/serialize.hpp>
#include <chrono>
#include <csignal>
#include <future>
#include <set>

#include "control/store/ltse/test_replica.h"
#include "control/store/test_feed.h"

namespace vpn::control {
namespace {

using ltse::Fault;
using std::chrono::seconds;

class LtseFault : public testing::Test {
 protected:
  LtseFault() {
    const auto loaded = replica_.store->load();
    EXPECT_TRUE(loaded) << loaded.error().message;
  }
  ~LtseFault() override { gateway().heal(); }

  std::string index_ = fresh_index();
  Replica replica_{index_};
};

TEST_F(LtseFault, WaitsAndAsksAgainWhileTheServerIsBusy) {
  for (const Fault fault : {Fault::kTooMany, Fault::kUnavailable}) {
    const int number = fault == Fault::kTooMany ? 1 : 2;
    gateway().fail_next(fault, "", 3);
    EXPECT_TRUE(replica_.commit(InsertClient{contract::client(number)}));
  }
  EXPECT_EQ(replica_.clients().size(), 2u);
}

TEST_F(LtseFault, GivesUpOnAServerThatStaysBusy) {
  gateway().set_fault([](const std::string&) { return Fault::kUnavailable; });
  const auto begun = std::chrono::steady_clock::now();
  const Status status = replica_.commit(InsertClient{contract::client(1)});
  ASSERT_FALSE(status);
  EXPECT_EQ(status.error().code, ErrorCode::kUnavailable);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, seconds(7));
  gateway().heal();
  EXPECT_TRUE(replica_.store->probe());
  EXPECT_TRUE(replica_.clients().empty());
}

TEST_F(LtseFault, KnowsItsOwnInsertionWhenABusyAnswerWasUntrue) {
  gateway().fail_next(Fault::kAnswer503Late, "_bulk");
  EXPECT_TRUE(replica_.commit(InsertClient{contract::client(1)}));
  EXPECT_EQ(replica_.clients(), std::vector{contract::client(1)});
}

TEST_F(LtseFault, KnowsItsOwnRemovalWhenABusyAnswerWasUntrue) {
  ASSERT_TRUE(replica_.commit(InsertClient{contract::client(1)}));
  gateway().fail_next(Fault::kAnswer503Late, "_bulk");
  EXPECT_TRUE(replica_.commit(RemoveClient{contract::key(1)}));
  EXPECT_TRUE(replica_.clients().empty());
  EXPECT_EQ(contract::outcome(replica_.commit(RemoveClient{contract::key(1)})), "not found publicKey");
}

TEST_F(LtseFault, TakesBackAnInsertionWhoseAnswerWasLost) {
  gateway().fail_next(Fault::kLoseAnswer, "_bulk");
  EXPECT_EQ(contract::outcome(replica_.commit(InsertClient{contract::client(1)})), "unavailable ");
  Replica other(index_);
  EXPECT_EQ(other.clients().size(), 1u) << "it is there, unacknowledged";
  EXPECT_TRUE(replica_.commit(InsertClient{contract::client(2)}));
  EXPECT_EQ(other.clients(), std::vector{contract::client(2)});
  EXPECT_TRUE(other.commit(InsertClient{contract::client(1)})) << "its address and name are free";
}

TEST_F(LtseFault, TakesBackAnInsertionThatArrivesAfterItWasGivenUp) {
  gateway().fail_next(Fault::kLoseAnswer, "_bulk");
  EXPECT_FALSE(replica_.commit(InsertClient{contract::client(1)}));
  const std::string place = "/" + index_ + "/_doc/" + ltse::document_id(contract::key(1));
  const std::string source = gateway().direct("GET", "/" + index_ + "/_source/" + ltse::document_id(contract::key(1)));
  EXPECT_TRUE(replica_.store->probe());
  const auto is_gone = [&] { return gateway().direct("GET", place).find("\"found\":false") != std::string::npos; };
  ASSERT_TRUE(is_gone());
  gateway().direct("PUT", place, source);  // as a request that lay in a queue
  EXPECT_EQ(replica_.store->read({{contract::key(1)}})->front(), std::nullopt);
  EXPECT_TRUE(is_gone()) << "what sees it takes it back: nothing else may come for long";
  gateway().direct("PUT", place, source);
  EXPECT_TRUE(replica_.clients().empty());
  EXPECT_TRUE(is_gone());
}

TEST_F(LtseFault, LeavesAnInsertionWhoseAnswerWasLostToAReplicaThatHasAnsweredForIt) {
  gateway().fail_next(Fault::kLoseAnswer, "_bulk");
  EXPECT_FALSE(replica_.commit(InsertClient{contract::client(1)}));
  Replica other(index_);
  EXPECT_TRUE(other.commit(SetClientEnabled{contract::key(1), true}));
  EXPECT_TRUE(replica_.commit(InsertClient{contract::client(2)}));
  EXPECT_EQ(replica_.clients(), (std::vector{contract::client(1), contract::client(2)}));
  EXPECT_EQ(other.clients(), replica_.clients());
  Client heir = contract::client(3);
  heir.address = contract::client(1).address;
  EXPECT_EQ(contract::outcome(other.commit(InsertClient{heir})), "already exists clientIP");
}

TEST_F(LtseFault, LeavesALateInsertionToAReplicaThatHasAnsweredForIt) {
  gateway().fail_next(Fault::kLoseAnswer, "_bulk");
  EXPECT_FALSE(replica_.commit(InsertClient{contract::client(1)}));
  const std::string id = ltse::document_id(contract::key(1));
  const std::string source = gateway().direct("GET", "/" + index_ + "/_source/" + id);
  EXPECT_TRUE(replica_.store->probe());
  gateway().direct("PUT", "/" + index_ + "/_doc/" + id, source);  // without its reservations
  Replica other(index_);
  EXPECT_TRUE(other.commit(SetClientEnabled{contract::key(1), true}));
  EXPECT_EQ(replica_.store->read({{contract::key(1)}})->front(), contract::client(1));
  EXPECT_EQ(replica_.clients(), std::vector{contract::client(1)});
  Client heir = contract::client(3);
  heir.address = contract::client(1).address;
  EXPECT_EQ(contract::outcome(replica_.commit(InsertClient{heir})), "already exists clientIP");
}

TEST_F(LtseFault, SucceedsOverAConnectionThatTheGatewayHasClosed) {
  gateway().fail_next(Fault::kCutBefore, "_mget");
  EXPECT_TRUE(replica_.store->read({{contract::key(1)}}));
}

TEST_F(LtseFault, AFeedSaysWhenTheServerIsBackThoughNothingChanged) {
  auto feed = replica_.store->follow();
  ASSERT_TRUE(feed) << feed.error().message;
  gateway().set_fault([](const std::string&) { return Fault::kCutBefore; });
  EXPECT_FALSE((*feed)->next());
  gateway().heal();
  auto next = std::async(std::launch::async, [&] { return (*feed)->next(); });
  EXPECT_EQ(next.wait_for(seconds(20)), std::future_status::ready) << "idle, it would say nothing for a minute";
  (*feed)->stop();
  const auto changes = next.get();
  ASSERT_TRUE(changes) << changes.error().message;
  EXPECT_TRUE(!changes->everything && changes->keys.empty());
}

TEST_F(LtseFault, MayLoadLaterWhatAnAnswerOutOfOrderInterrupted) {
  ASSERT_TRUE(replica_.commit(InsertClient{contract::client(1)}));
  gateway().fail_next(Fault::kUnknownScroll, "/_search/scroll");
  const auto contents = replica_.store->load();
  ASSERT_FALSE(contents);
  EXPECT_EQ(contents.error().code, ErrorCode::kUnavailable) << contents.error().message;
  EXPECT_EQ(replica_.clients(), std::vector{contract::client(1)});
}

/// More than one page of a scan holds.
class LtsePages : public LtseFault {
 protected:
  static constexpr std::size_t kClients = 6000;
  LtsePages() {
    std::string body;
    for (std::size_t i = 0; i < kClients; ++i) {
      const Client client = contract::many_client(static_cast<int>(i));
      body += R"({"create":{"_id":")" + ltse::document_id(client.public_key) + "\"}}\n" +
              boost::json::serialize(ltse::to_source(client, "filled")) + "\n";
    }
    gateway().direct("POST", "/" + index_ + "/_bulk", body);
    EXPECT_EQ(replica_.clients().size(), kClients);
  }
  void load_fails_once() {
    const auto contents = replica_.store->load();
    ASSERT_FALSE(contents) << contents->clients.size() << " clients";
    EXPECT_EQ(contents.error().code, ErrorCode::kUnavailable) << contents.error().message;
    EXPECT_EQ(replica_.clients().size(), kClients);
  }
};

TEST_F(LtsePages, AreNotAskedForAgainWhenABusyAnswerWasUntrue) {
  gateway().fail_next(Fault::kAnswer503Late, "/_search/scroll");
  load_fails_once();
}

TEST_F(LtsePages, AreCounted) {
  gateway().fail_next(Fault::kTwice, "/_search/scroll");
  load_fails_once();
}

TEST_F(LtseFault, WaitsForAGatewayThatFailsWithoutJson) {
  gateway().fail_next(Fault::kBroken);
  const auto contents = replica_.store->load();
  ASSERT_FALSE(contents);
  EXPECT_EQ(contents.error().code, ErrorCode::kUnavailable) << contents.error().message;
  EXPECT_NE(contents.error().message.find("HTTP 500"), std::string::npos) << contents.error().message;
}

TEST_F(LtseFault, SaysWhatAPersonMustMend) {
  const struct {
    Fault fault;
    ErrorCode code;
    std::string word;
  } cases[] = {{Fault::kForbidden, ErrorCode::kPermissionDenied, "password"},
               {Fault::kNoSuchPath, ErrorCode::kInvalidArgument, "LTSE_URL"},
               {Fault::kNotJson, ErrorCode::kInvalidArgument, "LTSE_URL"}};
  for (const auto& [fault, code, word] : cases) {
    gateway().set_fault([fault = fault](const std::string&) { return fault; });
    std::string url = gateway().url();
    Replica fresh(fresh_index(), url.insert(7, "admin:hunter2@"));
    const auto contents = fresh.store->load();
    ASSERT_FALSE(contents);
    EXPECT_EQ(contents.error().code, code) << contents.error().message;
    EXPECT_EQ(contents.error().field, "LTSE_URL");
    EXPECT_NE(contents.error().message.find(word), std::string::npos) << contents.error().message;
    EXPECT_EQ(contents.error().message.find("hunter2"), std::string::npos) << contents.error().message;
    EXPECT_EQ(fresh.store->description().find("hunter2"), std::string::npos);
    EXPECT_EQ(fresh.commit(InsertClient{contract::client(1)}).error().code, ErrorCode::kUnavailable);
  }
}

TEST_F(LtseFault, RefusesAnIndexThatAnswersBeforeItIsOnTheDisk) {
  const std::string index = fresh_index();
  gateway().direct("PUT", "/" + index, R"({"settings":{"index.translog.durability":"async"}})");
  Replica careless(index);
  const auto contents = careless.store->load();
  ASSERT_FALSE(contents);
  EXPECT_EQ(contents.error().field, "LTSE_INDEX");
}

// What a get sees may not be on the disk yet, or may be an old copy's: a server that cannot write cannot prove it.
TEST_F(LtseFault, AnswersForAClientOnlyWhileTheServerCanWrite) {
  ASSERT_TRUE(replica_.commit(InsertClient{contract::client(1)}));
  const std::vector<Mutation> mutations{SetClientEnabled{contract::key(1), true}, RemoveClient{contract::key(2)},
                                        SetClientEnabled{contract::key(3), true}};
  const auto outcomes = [&] {
    std::vector<std::string> each;
    for (const Mutation& mutation : mutations) each.push_back(contract::outcome(replica_.commit(mutation)));
    return each;
  };
  gateway().direct("PUT", "/" + index_ + "/_settings", R"({"index.blocks.write":true})");
  EXPECT_EQ(outcomes(), std::vector<std::string>(3, "unavailable "));
  gateway().direct("PUT", "/" + index_ + "/_settings", R"({"index.blocks.write":null})");
  EXPECT_EQ(outcomes(), (std::vector<std::string>{"ok", "not found publicKey", "not found publicKey"}));
}

TEST_F(LtseFault, FailsWhileTheIndexIsReadOnlyAndRecovers) {
  gateway().direct("PUT", "/" + index_ + "/_settings", R"({"index.blocks.read_only_allow_delete":true})");
  EXPECT_EQ(contract::outcome(replica_.commit(InsertClient{contract::client(1)})), "unavailable ");
  EXPECT_FALSE(replica_.store->probe());
  gateway().direct("PUT", "/" + index_ + "/_settings", R"({"index.blocks.read_only_allow_delete":null})");
  EXPECT_TRUE(replica_.store->probe());
  EXPECT_TRUE(replica_.clients().empty());
}

TEST(LtseStore, RefusesAnIndexNameThatElasticsearchWouldRefuse) {
  SystemClock clock;
  SystemRandom random;
  NullLogger logger;
  for (const char* name : {"", "-a", "_a", "+a", ".a", "..", "VPN", "a b", "a/b", "a,b", "a*", "a\"b", "a#b", "a:b"}) {
    const auto store = LtseStore::create({"http://ltse-api:8080", name}, clock, random, logger);
    ASSERT_FALSE(store) << name;
    EXPECT_EQ(store.error().field, "LTSE_INDEX");
  }
  EXPECT_FALSE(LtseStore::create({"http://ltse-api:8080", std::string(250, 'a')}, clock, random, logger));
  EXPECT_EQ(LtseStore::create({"nowhere", "vpn-enabler"}, clock, random, logger).error().field, "LTSE_URL");
}

/// Commits client after client until told to stop, waiting for the server as the committer does.
class Stream {
 public:
  explicit Stream(Replica& replica) : replica_(replica) {
    thread_ = std::thread([this] { run(); });
  }
  ~Stream() { stop(); }
  void stop() {
    stopping_ = true;
    if (thread_.joinable()) thread_.join();
  }
  /// Returns when so many more have been acknowledged.
  void wait_for(int more) {
    const int until = acknowledged_count_ + more;
    for (int now = acknowledged_count_; now < until; now = acknowledged_count_) acknowledged_count_.wait(now);
  }
  std::vector<Client> acknowledged;  // the thread's, until stop()
  int refused = 0;

 private:
  void run() {
    for (int number = 0; !stopping_; ++number) {
      const Client client = contract::many_client(number);
      if (replica_.commit(InsertClient{client})) {
        acknowledged.push_back(client);
        ++acknowledged_count_;
        acknowledged_count_.notify_all();
      } else {
        ++refused;
        while (!stopping_ && !replica_.store->probe()) {
        }
      }
    }
  }

  Replica& replica_;
  std::atomic<bool> stopping_ = false;
  std::atomic<int> acknowledged_count_ = 0;
  std::thread thread_;
};

TEST_F(LtseFault, LosesNothingAcknowledgedAndKeepsNothingRefusedOverAKill) {
  Stream stream(replica_);
  stream.wait_for(20);
  elasticsearch().kill();
  elasticsearch().start();
  stream.wait_for(5);
  stream.stop();
  EXPECT_TRUE(replica_.store->probe());
  EXPECT_EQ(Replica(index_).clients(), contract::sorted(stream.acknowledged));
}

TEST_F(LtseFault, LosesNothingAcknowledgedAndKeepsNothingRefusedOverAFreeze) {
  FollowedFeed feed(*replica_.store);
  Stream stream(replica_);
  stream.wait_for(20);
  elasticsearch().freeze();
  std::promise<void> never;
  (void)never.get_future().wait_for(seconds(20));  // the outage itself
  elasticsearch().thaw();
  stream.wait_for(5);
  stream.stop();
  EXPECT_GT(stream.refused, 0);
  EXPECT_TRUE(replica_.store->probe());
  EXPECT_EQ(Replica(index_).clients(), contract::sorted(stream.acknowledged));
  EXPECT_TRUE(feed.tells({stream.acknowledged.back().public_key}));
}

}  // namespace
}  // namespace vpn::control
