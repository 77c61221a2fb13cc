// Several client managers over one shared store: what each answers, and that they agree at the end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "control/service/client_manager.h"
#include "control/service/test_log.h"
#include "control/service/test_strand.h"
#include "control/store/memory/memory_shared_store.h"
#include "control/store/test_clients.h"
#include "tunnel/memory/memory_tunnel.h"

namespace vpn::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

const Error kAway{ErrorCode::kUnavailable, "no primary"};

struct Replica {
  explicit Replica(MemoryDatabase& database) : store(database) {}

  std::vector<PublicKey> peers() const {
    std::vector<PublicKey> keys;
    const auto status = tunnel.status();
    for (const tunnel::PeerStatus& peer : status->peers) keys.push_back(peer.peer.public_key);
    std::ranges::sort(keys);
    return keys;
  }
  std::vector<Client> clients() const {
    std::vector<Client> clients;
    for (const Client* client : manager->list()) clients.push_back(*client);
    return contract::sorted(std::move(clients));
  }
  bool serves(int number) const { return std::ranges::binary_search(peers(), contract::key(number)); }

  MemorySharedStore store;
  tunnel::MemoryTunnel tunnel;
  TestLog log;
  std::vector<std::string> loaded;
  std::unique_ptr<ClientManager> manager;  // last: its threads use the others
};

class ReplicasTest : public testing::Test {
 protected:
  static ClientManager::Options default_options() {
    ClientManager::Options options;
    options.network.gateway = *IpPrefix::parse("192.168.2.1/24");
    options.private_key.reveal_mutable()[0] = 200;
    options.committer.probe_interval = std::chrono::milliseconds(1);
    return options;
  }

  void start_loading(Replica& replica) {
    ClientManager::Options options = options_;
    options.on_loaded = [&replica](const Status& status) { replica.loaded.push_back(contract::outcome(status)); };
    if (!options.on_key) options.on_key = [](const PrivateKey&) { return Status(); };
    auto started = ClientManager::start(std::move(options), replica.store, replica.tunnel, clock_, random_,
                                        strand_.post(), strand_.delay(), replica.log);
    ASSERT_TRUE(started) << started.error().message;
    replica.manager = std::move(*started);
  }
  void start(Replica& replica) {
    start_loading(replica);
    strand_.run_until([&] { return !replica.loaded.empty(); });
    ASSERT_THAT(replica.loaded, ElementsAre("ok"));
  }
  void start_both() {
    start(a_);
    start(b_);
  }

  void ask_create(Replica& replica, int number, std::string name = "") {
    ++asked_;
    replica.manager->create(
        {contract::key(number), std::nullopt, std::move(name)}, [this](const Result<Client>& created) {
          answers_.push_back(created ? "ok " + to_string(created->address) : contract::outcome(fail(created.error())));
        });
  }
  void ask_remove(Replica& replica, int number) { replica.manager->remove(contract::key(number), remember()); }
  void ask_enabled(Replica& replica, int number, bool enabled) {
    replica.manager->set_enabled(contract::key(number), enabled, remember());
  }
  ClientService::StatusCallback remember() {
    ++asked_;
    return [this](const Status& status) { answers_.push_back(contract::outcome(status)); };
  }
  std::vector<std::string> answers() {
    strand_.run_until([this] { return answers_.size() == asked_; });
    asked_ = 0;
    return std::exchange(answers_, {});
  }

  /// Whether memory and tunnel of a replica are what the database holds.
  bool agrees(const Replica& replica) const {
    const std::vector<Client> stored = database_.clients();
    std::vector<PublicKey> enabled;
    for (const Client& client : stored) {
      if (client.enabled) enabled.push_back(client.public_key);
    }
    return replica.clients() == stored && replica.peers() == enabled;
  }
  void await_agreement() {
    strand_.run_until([this] { return agrees(a_) && agrees(b_); });
  }

  ClientManager::Options options_ = default_options();
  MemoryDatabase database_;
  ManualClock clock_;
  SeededRandom random_{1};
  TestStrand strand_;
  std::vector<std::string> answers_;
  std::size_t asked_ = 0;
  Replica a_{database_}, b_{database_};  // last: their threads use the others
};

TEST_F(ReplicasTest, ApplyWhatWasChangedThroughAnother) {
  start_both();
  ask_create(a_, 2, "anna");
  EXPECT_THAT(answers(), ElementsAre("ok 192.168.2.2"));
  strand_.run_until([this] { return b_.serves(2); });
  EXPECT_EQ(b_.manager->find_by_name("anna")->address, *IpAddress::parse("192.168.2.2"));

  ask_enabled(b_, 2, false);
  EXPECT_THAT(answers(), ElementsAre("ok"));
  strand_.run_until([this] { return !a_.serves(2); });
  EXPECT_FALSE(a_.manager->find(contract::key(2))->enabled);

  ask_enabled(a_, 2, true);
  EXPECT_THAT(answers(), ElementsAre("ok"));
  ask_remove(b_, 2);
  EXPECT_THAT(answers(), ElementsAre("ok"));
  strand_.run_until([this] { return a_.manager->find(contract::key(2)) == nullptr; });
  await_agreement();
  EXPECT_THAT(b_.peers(), IsEmpty());
}

TEST_F(ReplicasTest, ChangeAClientThatTheyHaveNotHeardOf) {
  start_both();
  b_.store.hold_feed(true);
  ask_create(a_, 2);
  (void)answers();
  ask_enabled(b_, 2, false);
  ask_create(b_, 2);
  EXPECT_THAT(answers(), ElementsAre("ok", "already exists publicKey"));
  ask_remove(a_, 2);
  EXPECT_THAT(answers(), ElementsAre("ok"));
  ask_create(b_, 2);
  EXPECT_THAT(answers(), ElementsAre(HasSubstr("ok"))) << "what is gone may come again at once, through any";
  b_.store.hold_feed(false);
  await_agreement();
}

TEST_F(ReplicasTest, ForgetAClientThatTheStoreDoesNotHold) {
  start_both();
  ask_create(a_, 2);
  ask_create(a_, 3);
  (void)answers();
  await_agreement();
  b_.store.hold_feed(true);
  ask_remove(a_, 2);
  ask_remove(a_, 3);
  (void)answers();
  EXPECT_TRUE(b_.serves(2));
  ask_remove(b_, 2);
  ask_enabled(b_, 3, true);
  EXPECT_THAT(answers(), ElementsAre("not found publicKey", "not found publicKey"));
  EXPECT_THAT(b_.peers(), IsEmpty());
  EXPECT_THAT(b_.clients(), IsEmpty());
  b_.store.hold_feed(false);
}

TEST_F(ReplicasTest, AreNotMisledByAnOldMessage) {
  start_both();
  for (const int number : {2, 3}) ask_create(a_, number);
  (void)answers();
  await_agreement();
  b_.store.hold_feed(true);
  database_.tell_again({contract::key(2), contract::key(3)});  // as their creation, told late
  ask_remove(b_, 2);
  ask_enabled(b_, 3, false);
  EXPECT_THAT(answers(), ElementsAre("ok", "ok"));
  EXPECT_THAT(b_.peers(), IsEmpty());
  b_.store.hold_feed(false);
  ask_create(a_, 4);
  (void)answers();
  strand_.run_until([this] { return b_.serves(4); });
  EXPECT_THAT(b_.peers(), ElementsAre(contract::key(4)));
  await_agreement();
}

TEST_F(ReplicasTest, GiveAKeyAndANameToOne) {
  start_both();
  ask_create(a_, 2, "anna");
  ask_create(b_, 2);
  EXPECT_THAT(answers(), UnorderedElementsAre(HasSubstr("ok"), "already exists publicKey"));
  ask_create(a_, 3, "bert");
  ask_create(b_, 4, "bert");
  EXPECT_THAT(answers(), UnorderedElementsAre(HasSubstr("ok"), "already exists name"));
  await_agreement();
  EXPECT_EQ(database_.clients().size(), 2u);
}

TEST_F(ReplicasTest, GiveNoAddressTwiceThoughNeitherHearsOfTheOther) {
  options_.network.gateway = *IpPrefix::parse("10.0.0.1/21");
  start_both();
  a_.store.hold_feed(true);
  b_.store.hold_feed(true);
  for (int number = 1000; number < 2000; ++number) {
    NewClient request{contract::many_client(number).public_key, std::nullopt, ""};
    ++asked_;
    (number % 2 == 0 ? a_ : b_).manager->create(request, [this](const Result<Client>& created) {
      answers_.push_back(created ? to_string(created->address) : contract::outcome(fail(created.error())));
    });
  }
  const auto given = answers();
  EXPECT_EQ(std::set<std::string>(given.begin(), given.end()).size(), 1000u);
  EXPECT_THAT(given, testing::Each(testing::StartsWith("10.0."))) << "every creation succeeds";
  a_.store.hold_feed(false);
  b_.store.hold_feed(false);
  await_agreement();
}

TEST_F(ReplicasTest, GiveTheLastAddressToOneAndFindAFreedOneAgain) {
  options_.network.gateway = *IpPrefix::parse("192.168.2.1/30");
  start_both();
  ask_create(a_, 2);
  ask_create(b_, 3);
  EXPECT_THAT(answers(), UnorderedElementsAre("ok 192.168.2.2", "exhausted "));
  await_agreement();
  const int holder = a_.serves(2) ? 2 : 3;
  ask_remove(a_, holder);
  (void)answers();
  await_agreement();
  strand_.advance(std::chrono::seconds(10));
  for (Replica* replica : {&a_, &b_}) {
    ask_create(*replica, 4);
    EXPECT_THAT(answers(), ElementsAre("ok 192.168.2.2"));
    ask_remove(*replica, 4);
    (void)answers();
    await_agreement();
  }
}

TEST_F(ReplicasTest, AreOneServerByTheKeyOfTheFirst) {
  std::vector<PrivateKey> told;
  options_.key_from_store = true;
  options_.on_key = [&](const PrivateKey& key) {
    told.push_back(key);
    return Status();
  };
  start(a_);
  options_.private_key.reveal_mutable()[0] = 100;
  start(b_);
  ASSERT_EQ(told.size(), 2u);
  EXPECT_TRUE(told[0] == told[1]);
  EXPECT_EQ(a_.manager->server_key(), b_.manager->server_key());
  b_.manager->create({a_.manager->server_key(), std::nullopt, ""},
                     [](const Result<Client>& created) { EXPECT_EQ(created.error().field, "publicKey"); });
}

TEST_F(ReplicasTest, DoNotStartWithAKeyThatTheTunnelRefuses) {
  options_.key_from_store = true;
  options_.on_key = [](const PrivateKey&) { return Status(fail(ErrorCode::kUnavailable, "port taken")); };
  start_loading(a_);
  strand_.run_until([this] { return !a_.loaded.empty(); });
  EXPECT_THAT(a_.loaded, ElementsAre("unavailable "));
  EXPECT_FALSE(a_.manager->ready());
}

TEST_F(ReplicasTest, SayWhatWaitingDoesNotCure) {
  a_.store.fail_with(kAway);
  start_loading(a_);
  strand_.run_until([this] { return !a_.log.lines().empty(); });
  EXPECT_THAT(a_.loaded, IsEmpty());
  a_.store.fail_with(Error{ErrorCode::kPermissionDenied, "wrong password", "MONGODB_PASS"});
  strand_.run_until([this] { return !a_.loaded.empty(); });
  EXPECT_THAT(a_.loaded, ElementsAre("permission denied MONGODB_PASS"));
}

TEST_F(ReplicasTest, WaitForAStoreThatIsAwayAtTheStart) {
  start(b_);
  ask_create(b_, 2);
  (void)answers();
  a_.store.fail_with(kAway);
  start_loading(a_);
  strand_.run_until([this] { return !a_.log.lines().empty(); });
  ask_create(a_, 3);
  ask_remove(a_, 2);
  EXPECT_THAT(answers(), ElementsAre("unavailable ", "unavailable "));
  EXPECT_THAT(a_.manager->health().store_detail, HasSubstr("no primary"));
  a_.store.fail_with(std::nullopt);
  strand_.run_until([this] { return a_.manager->health().ok(); });
  EXPECT_THAT(a_.loaded, ElementsAre("ok"));
  await_agreement();
}

TEST_F(ReplicasTest, GoOnWhileTheStoreIsAwayAndCatchUpByThemselves) {
  start_both();
  ask_create(a_, 2);
  (void)answers();
  await_agreement();
  a_.store.fail_with(kAway);
  strand_.run_until([this] { return !a_.manager->health().ok(); });
  EXPECT_EQ(a_.manager->health().stale_since, clock_.wall_now());
  ask_create(a_, 3);
  EXPECT_THAT(answers(), ElementsAre("unavailable "));
  EXPECT_TRUE(a_.serves(2));
  EXPECT_TRUE(a_.manager->ready());

  ask_remove(b_, 2);
  ask_create(b_, 4);
  (void)answers();
  EXPECT_TRUE(a_.serves(2)) << "nobody can tell it";
  a_.store.fail_with(std::nullopt);
  strand_.run_until([this] { return a_.manager->health().ok(); });
  EXPECT_TRUE(agrees(a_)) << "all is well only when what was missed is known";
  EXPECT_EQ(a_.manager->health().stale_since, std::nullopt);
  EXPECT_THAT(a_.log.lines(), ElementsAre(HasSubstr("fails"), HasSubstr("works again")));
}

TEST_F(ReplicasTest, AreStaleWithoutTheirFeedAndStillAnswer) {
  start_both();
  a_.store.fail_feed(true);
  strand_.run_until([this] { return !a_.manager->health().ok(); });
  EXPECT_EQ(a_.manager->health().stale_since, clock_.wall_now());
  ask_create(a_, 2);
  ask_create(b_, 3);
  EXPECT_THAT(answers(), UnorderedElementsAre("ok 192.168.2.2", HasSubstr("ok")));
  strand_.run_until([this] { return b_.serves(2); });
  EXPECT_FALSE(a_.serves(3));
  a_.store.fail_feed(false);
  strand_.run_until([this] { return a_.manager->health().ok(); });
  await_agreement();
}

TEST_F(ReplicasTest, CompareEverythingWhenTheirFeedLostItsWayAndSendOnlyDifferences) {
  start_both();
  for (const int number : {2, 3, 4}) ask_create(a_, number);
  (void)answers();
  await_agreement();
  b_.store.hold_feed(true);
  ask_remove(a_, 2);
  ask_enabled(a_, 3, false);
  ask_create(a_, 5);
  (void)answers();
  const Endpoint endpoint{*IpAddress::parse("203.0.113.9"), 4242};
  b_.tunnel.learn(contract::key(4), endpoint, clock_.wall_now());
  database_.lose_feeds();
  b_.store.hold_feed(false);
  await_agreement();
  EXPECT_EQ((*b_.tunnel.peer(contract::key(4)))->endpoint, endpoint);
}

TEST_F(ReplicasTest, TakeBackACreationWhoseAnswerWasLost) {
  start_both();
  a_.store.lose_next_answer(1);
  ask_create(a_, 2, "anna");
  EXPECT_THAT(answers(), ElementsAre("unavailable "));
  a_.store.fail_with(std::nullopt);
  strand_.run_until([this] { return a_.manager->health().ok(); });
  await_agreement();
  EXPECT_THAT(database_.clients(), IsEmpty());
  ask_create(b_, 3, "anna");
  EXPECT_THAT(answers(), ElementsAre("ok 192.168.2.2"));
}

TEST_F(ReplicasTest, LearnOfARemovalThatWasAppliedThoughItsAnswerWasLost) {
  start_both();
  ask_create(a_, 2);
  (void)answers();
  await_agreement();
  a_.store.lose_next_answer(1);
  ask_remove(a_, 2);
  EXPECT_THAT(answers(), ElementsAre("unavailable "));
  a_.store.fail_with(std::nullopt);
  await_agreement();
  EXPECT_THAT(a_.peers(), IsEmpty());
}

TEST_F(ReplicasTest, NameTheFaultsOfWhatIsStoredOnce) {
  std::vector<std::string> faults;
  for (int number = 1; number <= 30; ++number) faults.push_back("document " + std::to_string(number) + ": no key");
  database_.set_faults(faults);
  start(a_);
  EXPECT_EQ(a_.manager->health().faults.size(), kMaxFaultsTold + 1);
  EXPECT_EQ(a_.manager->health().faults.back(), "and 20 more");
  EXPECT_TRUE(a_.manager->health().ok());
  EXPECT_EQ(a_.log.lines().size(), kMaxFaultsTold + 1);
  database_.lose_feeds();
  ask_create(a_, 2);
  (void)answers();
  EXPECT_EQ(a_.log.lines().size(), kMaxFaultsTold + 1);
}

TEST_F(ReplicasTest, NameStoredFaultsAndClientsWithoutAFitAddressUnderOneLimit) {
  database_.set_faults(std::vector<std::string>(kMaxFaultsTold - 1, "a document: no key"));
  for (const int number : {1, 2, 3}) {
    Client outside = contract::client(number);
    outside.address = IpAddress::v4(0x0a000000u + static_cast<std::uint32_t>(number));
    ASSERT_TRUE(b_.store.commit(std::vector<Mutation>{InsertClient{outside}})[0]);
  }
  start(a_);
  const std::vector<std::string> faults = a_.manager->health().faults;
  ASSERT_EQ(faults.size(), kMaxFaultsTold + 1);
  EXPECT_THAT(faults[kMaxFaultsTold - 1], HasSubstr("its address 10.0.0.1 is outside"));
  EXPECT_EQ(faults.back(), "and 2 more");
}

TEST_F(ReplicasTest, TakeBackBeforeTheEndACreationWhoseAnswerWasLost) {
  options_.committer.probe_interval = std::chrono::hours(1);
  start_both();
  a_.store.lose_next_answer(1);
  ask_create(a_, 2);
  EXPECT_THAT(answers(), ElementsAre("unavailable "));
  EXPECT_EQ(database_.clients().size(), 1u);
  a_.store.fail_with(std::nullopt);
  a_.manager->stop();
  EXPECT_THAT(database_.clients(), IsEmpty());
}

// Three replicas under random requests and failures. A client's possible states are followed through the answers: what
// was acknowledged must hold, and an unanswered change may or may not have happened, but an unanswered creation not.
class Confusion : public ReplicasTest, public testing::WithParamInterface<std::uint64_t> {
 protected:
  enum State { kAbsent, kEnabled, kDisabled };

  void ask(Replica& replica, int number) {
    busy_.insert(number);
    const auto key = contract::key(number);
    const std::uint32_t what = dice_.below(4);
    if (what == 0) {
      return replica.manager->create({key, std::nullopt, dice_.below(2) == 0 ? "name " + std::to_string(number) : ""},
                                     [this, number](const Result<Client>& created) {
                                       if (created) return settle(number, {kEnabled});
                                       if (created.error().code == ErrorCode::kUnavailable) undone_.insert(number);
                                       settle(number, possible(number));
                                     });
    }
    const State wanted = what == 1 ? kAbsent : what == 2 ? kEnabled : kDisabled;
    const auto done = [this, number, wanted](const Status& status) {
      if (status) return settle(number, {wanted});
      std::set<State> states = possible(number);
      if (status.error().code == ErrorCode::kUnavailable && states != std::set{kAbsent}) states.insert(wanted);
      if (status.error().code == ErrorCode::kNotFound) {
        EXPECT_TRUE(states.contains(kAbsent) || undone_.contains(number)) << number << " was acknowledged, and lost";
        states = {kAbsent};
      }
      settle(number, states);
    };
    if (wanted == kAbsent) return replica.manager->remove(key, done);
    replica.manager->set_enabled(key, wanted == kEnabled, done);
  }
  std::set<State> possible(int number) const {
    const auto found = possible_.find(number);
    return found == possible_.end() ? std::set{kAbsent} : found->second;
  }
  /// A creation that was refused may be seen by another replica until it is taken back.
  void settle(int number, std::set<State> states) {
    if (undone_.contains(number)) states.insert(kAbsent);
    possible_[number] = std::move(states);
    busy_.erase(number);
  }

  void disturb(Replica& replica) {
    switch (dice_.below(6)) {
      case 0:
        return replica.store.fail_with(kAway);
      case 1:
        return replica.store.lose_next_answer(dice_.below(4));
      case 2:
        return replica.store.fail_feed(true);
      case 3:
        return replica.store.hold_feed(true);
      case 4:
        return database_.lose_feeds();
      default:
        return heal(replica);
    }
  }
  static void heal(Replica& replica) {
    replica.store.fail_with(std::nullopt);
    replica.store.fail_feed(false);
    replica.store.hold_feed(false);
  }

  SeededRandom dice_{GetParam()};
  std::set<int> busy_, undone_;
  std::map<int, std::set<State>> possible_;
  Replica c_{database_};
};

TEST_P(Confusion, EndsWithStoreMemoriesTunnelsAndAnswersInAgreement) {
  options_.network.gateway = *IpPrefix::parse("192.168.2.1/26");  // 61 addresses for 80 clients
  start_both();
  start(c_);
  const std::array replicas{&a_, &b_, &c_};
  for (int step = 0; step < 1500; ++step) {
    Replica& replica = *replicas.at(dice_.below(3));
    const int number = 2 + static_cast<int>(dice_.below(80));
    if (!busy_.contains(number)) ask(replica, number);
    if (dice_.below(20) == 0) disturb(*replicas.at(dice_.below(3)));
    if (dice_.below(3) == 0) strand_.run_posted();
    if (dice_.below(50) == 0) strand_.advance(std::chrono::seconds(5));
  }
  for (Replica* replica : replicas) heal(*replica);
  strand_.run_until([&] { return busy_.empty(); });
  strand_.run_until([&] {
    return std::ranges::all_of(
        replicas, [this](Replica* replica) { return replica->manager->health().ok() && agrees(*replica); });
  });

  std::map<int, State> stored;
  std::set<IpAddress> addresses;
  for (const Client& client : database_.clients()) {
    stored[client.public_key.bytes[0]] = client.enabled ? kEnabled : kDisabled;
    EXPECT_TRUE(addresses.insert(client.address).second);
  }
  for (int number = 2; number < 82; ++number) {
    const State state = stored.contains(number) ? stored[number] : kAbsent;
    EXPECT_TRUE(possible(number).contains(state)) << "client " << number << " is in state " << state;
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, Confusion, testing::Range<std::uint64_t>(1, 9));

}  // namespace
}  // namespace vpn::control
