#include "control/store/mongodb/feed.h"

#include <pthread.h>

#include <utility>

namespace vpn::control::mongodb {
namespace {

constexpr std::chrono::milliseconds kAfterFailure{500};

}  // namespace

Feed::Feed(std::unique_ptr<ChangeSource> source, News& news)
    : source_(std::move(source)), news_(news), thread_([this] { run(); }) {
  pthread_setname_np(thread_.native_handle(), "mongodb-feed");
}

Feed::~Feed() {
  stop();
  thread_.join();
}

Result<Changes> Feed::next() {
  std::unique_lock lock(mutex_);
  wake_.wait(lock, [this] { return stopping_ || has_news(); });
  if (stopping_) return Changes{};
  failure_told_ = failure_.has_value();
  recovered_ = false;
  if (failure_) return fail(*std::exchange(failure_, std::nullopt));
  return std::exchange(waiting_, {});
}

void Feed::stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  wake_.notify_all();
}

void Feed::run() {
  for (;;) {
    Result<Changes> taken = source_->take();
    const auto rest = taken ? source_->pause() : kAfterFailure;
    std::unique_lock lock(mutex_);
    put(std::move(taken));
    wake_.notify_all();
    if (wake_.wait_for(lock, rest, [this] { return stopping_; })) return;
  }
}

void Feed::put(Result<Changes> taken) {
  if (!taken) {
    failure_ = std::move(taken).error();
    return;
  }
  failure_.reset();
  recovered_ = failure_told_;
  const bool everything = news_.take_everything() || taken->everything || waiting_.everything ||
                          waiting_.keys.size() + taken->keys.size() > kMaxChangedKeys;
  if (everything) {
    waiting_ = {.everything = true, .keys = {}};
  } else {
    waiting_.keys.insert(waiting_.keys.end(), taken->keys.begin(), taken->keys.end());
  }
}

}  // namespace vpn::control::mongodb
