#include "control/store/mongodb/feed.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>
#include <vector>

#include "control/store/test_clients.h"

namespace vpn::control::mongodb {
namespace {

/// Answers what a test says, waiting for it, and then that nothing has changed.
class SaidSource final : public ChangeSource {
 public:
  explicit SaidSource(std::vector<std::future<Result<Changes>>> answers) : answers_(std::move(answers)) {}

  Status open() override { return {}; }
  Result<Changes> take() override {
    if (next_ == answers_.size()) return Changes{};
    return answers_[next_++].get();
  }
  std::chrono::milliseconds pause() const override { return std::chrono::milliseconds(1); }

 private:
  std::vector<std::future<Result<Changes>>> answers_;
  std::size_t next_ = 0;
};

class MongoFeed : public testing::Test {
 protected:
  /// A feed whose source answers these in turn.
  std::unique_ptr<Feed> feed_of(std::vector<std::promise<Result<Changes>>>& answers) {
    std::vector<std::future<Result<Changes>>> futures;
    for (auto& answer : answers) futures.push_back(answer.get_future());
    return std::make_unique<Feed>(std::make_unique<SaidSource>(std::move(futures)), news_);
  }
  static Result<Changes> away() { return fail(ErrorCode::kUnavailable, "away"); }

  News news_;
};

TEST_F(MongoFeed, TellsThatTheStoreIsBackThoughNothingHasChanged) {
  std::vector<std::promise<Result<Changes>>> answers(3);
  const auto feed = feed_of(answers);
  answers[0].set_value(away());
  EXPECT_FALSE(feed->next());
  answers[1].set_value(away());
  EXPECT_FALSE(feed->next()) << "each failure is told, and none as its end";
  auto told = std::async(std::launch::async, [&] { return feed->next(); });
  answers[2].set_value(Changes{});
  const bool in_time = told.wait_for(std::chrono::seconds(10)) == std::future_status::ready;
  EXPECT_TRUE(in_time);
  feed->stop();
  const Result<Changes> back = told.get();
  ASSERT_TRUE(back);
  EXPECT_FALSE(back->everything);
  EXPECT_TRUE(back->keys.empty());
}

TEST_F(MongoFeed, WaitsWhereNothingHasChangedAndNoFailureWasTold) {
  std::vector<std::promise<Result<Changes>>> answers(3);
  const auto feed = feed_of(answers);
  answers[0].set_value(Changes{});
  auto told = std::async(std::launch::async, [&] { return feed->next(); });
  answers[1].set_value(Changes{});
  answers[2].set_value(Changes{.everything = false, .keys = {contract::key(1)}});
  const Result<Changes> changes = told.get();
  ASSERT_TRUE(changes);
  EXPECT_EQ(changes->keys, std::vector{contract::key(1)});
}

}  // namespace
}  // namespace vpn::control::mongodb
