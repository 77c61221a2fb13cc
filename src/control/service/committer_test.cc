#include "control/service/committer.h"

#include <gtest/gtest.h>

#include "control/service/test_gated_store.h"
#include "control/service/test_strand.h"
#include "control/store/test_clients.h"

namespace vpn::control {
namespace {

class CommitterTest : public testing::Test {
 protected:
  ~CommitterTest() override { store_.open(); }

  Committer::Handlers handlers() {
    return {.on_commit =
                [this](Committer::Batch batch) {
                  batch_sizes_.push_back(batch.mutations.size());
                  for (std::size_t i = 0; i < batch.answers.size(); ++i)
                    batch.answers[i](batch.mutations[i], batch.statuses[i]);
                },
            .on_contents = [this](const Contents& contents) { loaded_.push_back(contents.clients.size()); },
            .on_store_state = [this](Status state) { states_.push_back(contract::outcome(state)); }};
  }

  Status insert(Committer& committer, int number) {
    return committer.submit(InsertClient{contract::client(number)}, [this](const Mutation&, const Status& status) {
      answers_.push_back(contract::outcome(status));
    });
  }

  GatedStore store_;
  TestStrand strand_;
  std::vector<std::size_t> loaded_, batch_sizes_;
  std::vector<std::string> answers_, states_;
};

TEST_F(CommitterTest, AnswersWhenTheCommitIsDone) {
  Committer committer(store_, std::nullopt, strand_.post(), handlers(), {});
  ASSERT_TRUE(insert(committer, 1));
  strand_.run_until([&] { return answers_.size() == 1; });
  EXPECT_EQ(answers_, std::vector<std::string>{"ok"});
  EXPECT_EQ(store_.load()->clients.size(), 1u);
}

TEST_F(CommitterTest, GathersWhatArrivesDuringACommitIntoTheNextWithOnePost) {
  Committer committer(store_, std::nullopt, strand_.post(), handlers(), {});
  store_.close();
  ASSERT_TRUE(insert(committer, 1));
  store_.wait_for_commit();
  for (int number = 2; number <= 33; ++number) ASSERT_TRUE(insert(committer, number));
  ASSERT_TRUE(insert(committer, 33));
  store_.open();
  strand_.run_until([&] { return answers_.size() == 34; });
  EXPECT_EQ(batch_sizes_, (std::vector<std::size_t>{1, 33}));
  EXPECT_EQ(strand_.post_count(), 3u) << "one for each commit, and one with the contents at first";
  EXPECT_EQ(answers_.back(), "already exists publicKey");
  EXPECT_EQ(std::count(answers_.begin(), answers_.end(), "ok"), 33);
}

TEST_F(CommitterTest, RefusesWhatItsQueueDoesNotHold) {
  Committer committer(store_, std::nullopt, strand_.post(), handlers(), {.queued = 2});
  store_.close();
  ASSERT_TRUE(insert(committer, 1));
  store_.wait_for_commit();
  EXPECT_TRUE(insert(committer, 2));
  EXPECT_TRUE(insert(committer, 3));
  EXPECT_EQ(contract::outcome(insert(committer, 4)), "unavailable ");
  store_.open();
  strand_.run_until([&] { return answers_.size() == 3; });
  EXPECT_TRUE(insert(committer, 5));
  strand_.run_until([&] { return answers_.size() == 4; });
  EXPECT_EQ(answers_, (std::vector<std::string>{"ok", "ok", "ok", "ok"}));
}

TEST_F(CommitterTest, FinishesWhatIsQueuedWhenStopped) {
  Committer committer(store_, std::nullopt, strand_.post(), handlers(), {});
  for (int number = 1; number <= 10; ++number) ASSERT_TRUE(insert(committer, number));
  committer.stop();
  EXPECT_EQ(contract::outcome(insert(committer, 11)), "unavailable ");
  strand_.run_posted();
  EXPECT_EQ(answers_, std::vector<std::string>(10, "ok"));
  EXPECT_EQ(store_.load()->clients.size(), 10u);
}

TEST_F(CommitterTest, WaitsForAStoreThatHangsNoLongerThanTold) {
  Committer committer(store_, std::nullopt, strand_.post(), handlers(), {});
  store_.close();
  ASSERT_TRUE(insert(committer, 1));
  store_.wait_for_commit();
  EXPECT_FALSE(committer.stop_by(std::chrono::steady_clock::now() + std::chrono::milliseconds(10)));
  EXPECT_EQ(contract::outcome(insert(committer, 2)), "unavailable ");
  store_.open();
  EXPECT_TRUE(committer.stop_by(std::chrono::steady_clock::now() + std::chrono::seconds(30)));
  strand_.run_posted();
  EXPECT_EQ(answers_, std::vector<std::string>{"ok"});
}

TEST_F(CommitterTest, TellsWhenTheStoreFailsAndFindsByItselfThatItWorksAgain) {
  Committer committer(store_, std::nullopt, strand_.post(), handlers(),
                      {.probe_interval = std::chrono::milliseconds(1)});
  store_.inner().fail_with("disk full");
  ASSERT_TRUE(insert(committer, 1));
  strand_.run_until([&] { return states_.size() == 1; });
  ASSERT_TRUE(insert(committer, 2));
  strand_.run_until([&] { return answers_.size() == 2; });
  EXPECT_EQ(states_, std::vector<std::string>{"unavailable "}) << "said once";
  store_.inner().fail_with(std::nullopt);
  strand_.run_until([&] { return states_.size() == 2; });
  EXPECT_EQ(states_, (std::vector<std::string>{"unavailable ", "ok"}));
  EXPECT_EQ(answers_, (std::vector<std::string>{"unavailable ", "unavailable "}));
  EXPECT_TRUE(store_.load()->clients.empty());
}

}  // namespace
}  // namespace vpn::control
