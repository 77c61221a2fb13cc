// Listens to a store's change feed on a thread of its own, "feed", and passes on what it tells.
//
// Made and destroyed on the store's thread, by the committer. It keeps nothing and judges nothing: the feed names
// clients that may have changed, and the committer reads them anew.
#pragma once

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

#include "base/error.h"
#include "control/store/store.h"

namespace vpn::control {

class Follower {
 public:
  /// Called on the feed's thread, with what next() returned.
  using Tell = std::function<void(Result<Changes>)>;

  Follower(std::unique_ptr<ChangeFeed> feed, Tell tell);
  /// Stops the feed and waits for its thread: up to 1 s.
  ~Follower();
  Follower(const Follower&) = delete;
  Follower& operator=(const Follower&) = delete;

 private:
  void run();
  bool rest();

  const std::unique_ptr<ChangeFeed> feed_;
  const Tell tell_;
  std::mutex mutex_;
  std::condition_variable stopped_;
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;     // last: it uses all of the above
};

}  // namespace vpn::control
