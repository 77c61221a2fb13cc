// A change feed on a thread of its own, for tests: what it has told so far can be waited for.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "control/store/store.h"

namespace vpn::control {

class FollowedFeed {
 public:
  static constexpr std::chrono::seconds kPatience{30};

  explicit FollowedFeed(SharedStore& store) : FollowedFeed(followed(store)) {}
  explicit FollowedFeed(std::unique_ptr<ChangeFeed> feed) : feed_(std::move(feed)) {
    if (feed_) thread_ = std::thread([this] { run(); });
  }
  ~FollowedFeed() {
    if (!feed_) return;
    {
      const std::lock_guard lock(mutex_);
      stopping_ = true;
    }
    feed_->stop();
    thread_.join();
  }
  FollowedFeed(const FollowedFeed&) = delete;
  FollowedFeed& operator=(const FollowedFeed&) = delete;

  /// Whether it has told all these keys, or `everything`, since the last call that returned true; waits for it.
  bool tells(const std::vector<PublicKey>& keys, std::chrono::milliseconds patience = kPatience) {
    std::unique_lock lock(mutex_);
    const bool told = news_.wait_for(lock, patience, [&] {
      return everything_ ||
             std::all_of(keys.begin(), keys.end(), [this](const PublicKey& key) { return told_.contains(key); });
    });
    if (told) {
      told_.clear();
      everything_ = false;
    }
    return told;
  }

  /// Forgets what was told until now: what a feed says of the time before it began (it may say `everything` at first).
  void forget() {
    const std::lock_guard lock(mutex_);
    told_.clear();
    everything_ = false;
  }

  std::size_t largest_batch() const {
    const std::lock_guard lock(mutex_);
    return largest_batch_;
  }
  /// How often it has told `everything`.
  std::size_t everythings() const {
    const std::lock_guard lock(mutex_);
    return everythings_;
  }
  /// Of how many calls the answer was an error.
  std::size_t failures() const {
    const std::lock_guard lock(mutex_);
    return failures_;
  }

 private:
  static std::unique_ptr<ChangeFeed> followed(SharedStore& store) {
    auto feed = store.follow();
    EXPECT_TRUE(feed) << feed.error().message;
    return feed ? std::move(*feed) : nullptr;
  }

  void run() {
    for (;;) {
      const Result<Changes> changes = feed_->next();
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
      if (!changes) {
        ++failures_;
        continue;
      }
      everything_ = everything_ || changes->everything;
      everythings_ += changes->everything ? 1u : 0u;
      told_.insert(changes->keys.begin(), changes->keys.end());
      largest_batch_ = std::max(largest_batch_, changes->keys.size());
      news_.notify_all();
    }
  }

  std::unique_ptr<ChangeFeed> feed_;
  mutable std::mutex mutex_;
  std::condition_variable news_;
  std::set<PublicKey> told_;       // guarded by mutex_
  bool everything_ = false;        // guarded by mutex_
  std::size_t everythings_ = 0;    // guarded by mutex_
  bool stopping_ = false;          // guarded by mutex_
  std::size_t failures_ = 0;       // guarded by mutex_
  std::size_t largest_batch_ = 0;  // guarded by mutex_
  std::thread thread_;             // last: it uses all of the above
};

}  // namespace vpn::control
