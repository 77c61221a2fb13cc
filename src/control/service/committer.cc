#include "control/service/committer.h"

#include <pthread.h>

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace vpn::control {
namespace {

bool is_empty(const Changes& changes) {
  return !changes.everything && changes.keys.empty();
}

/// Adds `more` to `changes`, which stays as small as one read() takes.
void merge(Changes& changes, Changes more) {
  changes.everything |= more.everything || changes.keys.size() + more.keys.size() > kMaxChangedKeys;
  if (changes.everything) return changes.keys.clear();
  changes.keys.insert(changes.keys.end(), more.keys.begin(), more.keys.end());
}

bool differ(const Status& a, const Status& b) {
  if (a && b) return false;
  return a.has_value() != b.has_value() || a.error().code != b.error().code || a.error().message != b.error().message;
}

}  // namespace

Committer::Committer(Store& store, std::optional<PrivateKey> proposed_key, Post post, Handlers handlers, Limits limits)
    : store_(store),
      post_(std::move(post)),
      handlers_(std::move(handlers)),
      limits_(limits),
      proposed_key_(std::move(proposed_key)),
      thread_([this] { run(); }) {}

Status Committer::submit(Mutation mutation, Answer answer) {
  {
    const std::lock_guard lock(mutex_);
    if (stopping_) return fail(ErrorCode::kUnavailable, "The gateway is stopping");
    if (queue_.mutations.size() >= limits_.queued) {
      return fail(ErrorCode::kUnavailable, std::to_string(limits_.queued) + " requests wait for the store already");
    }
    queue_.mutations.push_back(std::move(mutation));
    queue_.answers.push_back(std::move(answer));
  }
  wake_.notify_one();
  return {};
}

/// What the feed says, on its thread.
void Committer::tell(Result<Changes> told) {
  {
    const std::lock_guard lock(mutex_);
    feed_state_ = told ? Status() : Status(fail(told.error()));
    if (told) merge(told_, std::move(*told));
    feed_news_ = true;
  }
  wake_.notify_one();
}

void Committer::begin_stop() {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  wake_.notify_one();
}

void Committer::stop() {
  begin_stop();
  if (thread_.joinable()) thread_.join();
}

bool Committer::stop_by(std::chrono::steady_clock::time_point deadline) {
  begin_stop();
  std::unique_lock lock(mutex_);
  return end_.wait_until(lock, deadline, [this] { return ended_; });
}

void Committer::run() {
  pthread_setname_np(pthread_self(), "store");
  work();
  const std::lock_guard lock(mutex_);
  ended_ = true;
  end_.notify_all();
}

void Committer::work() {
  Batch batch;
  Status feed_state, reported;
  while (wait_for_work(batch, feed_state)) {
    if (!batch.mutations.empty()) {
      store_state_ = commit(std::exchange(batch, {}));
    } else {
      store_state_ = store_state_ || !loaded_ ? Status() : store_.probe();
    }
    if (store_state_) store_state_ = catch_up();
    if (!store_state_ && store_.shared() != nullptr) unread_ = {.everything = true, .keys = {}};

    const Status& state = store_state_ ? feed_state : store_state_;
    if (!differ(state, reported)) continue;
    reported = state;
    post_([this, state] { handlers_.on_store_state(state); });
  }
  follower_.reset();
  // A creation that was refused and may stand there is taken back now, or never.
  if (!store_state_ && loaded_ && store_.shared() != nullptr) (void)store_.probe();
  store_.disconnect();
}

/// Takes what is to be done next; false when there is nothing more.
bool Committer::wait_for_work(Batch& batch, Status& feed_state) {
  std::unique_lock lock(mutex_);
  const auto has_work = [this] { return stopping_ || feed_news_ || !queue_.mutations.empty(); };
  if (!store_state_) {
    wake_.wait_for(lock, limits_.probe_interval, has_work);
  } else if (is_empty(unread_)) {
    wake_.wait(lock, has_work);
  }
  if (stopping_ && queue_.mutations.empty()) return false;
  batch = std::exchange(queue_, {});
  merge(unread_, std::exchange(told_, {}));
  feed_state = feed_state_;
  feed_news_ = false;
  return true;
}

/// The failure of the commit as a whole, or of its end, if any.
Status Committer::commit(Batch batch) {
  batch.statuses = store_.commit(batch.mutations);
  CHECK(batch.statuses.size() == batch.mutations.size());
  const auto failed = std::find_if(batch.statuses.begin(), batch.statuses.end(), [](const Status& status) {
    return !status && status.error().code == ErrorCode::kUnavailable;
  });
  Status state = failed != batch.statuses.end() ? *failed : Status();
  post_([this, batch = std::move(batch)]() mutable { handlers_.on_commit(std::move(batch)); });
  return state;
}

/// Tells the strand what it does not know yet.
Status Committer::catch_up() {
  if (is_empty(unread_)) return {};
  if (store_.shared() != nullptr && follower_ == nullptr) {
    if (Status joined = join(); !joined) return joined;
  }
  Status done = unread_.everything ? load() : read();
  if (done) unread_ = {};
  return done;
}

/// Who we are, and a feed that misses nothing from here on: before the first load.
Status Committer::join() {
  SharedStore& store = *store_.shared();
  if (proposed_key_) {
    Result<PrivateKey> key = store.server_key(*proposed_key_);
    if (!key) return fail(std::move(key).error());
    post_([this, key = std::move(*key)] { handlers_.on_server_key(key); });
    proposed_key_.reset();
  }
  auto feed = store.follow();
  if (!feed) return fail(std::move(feed).error());
  follower_ = std::make_unique<Follower>(std::move(*feed), [this](Result<Changes> told) { tell(std::move(told)); });
  return {};
}

Status Committer::load() {
  auto contents = store_.load();
  if (!contents) return fail(std::move(contents).error());
  loaded_ = true;
  post_([this, contents = std::move(*contents)]() mutable { handlers_.on_contents(std::move(contents)); });
  return {};
}

Status Committer::read() {
  auto& keys = unread_.keys;
  std::sort(keys.begin(), keys.end());
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  auto clients = store_.shared()->read(keys);
  if (!clients) return fail(std::move(clients).error());
  CHECK(clients->size() == keys.size());
  post_([this, reading = Reading{std::move(keys), std::move(*clients)}]() mutable {
    handlers_.on_reading(std::move(reading));
  });
  return {};
}

}  // namespace vpn::control
