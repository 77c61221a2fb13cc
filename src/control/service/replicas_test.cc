// Several client managers over one shared store: what each answers, and that they agree at the end.
#include "control/service/test_replicas.h"

namespace vpn::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

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

}  // namespace
}  // namespace vpn::control
