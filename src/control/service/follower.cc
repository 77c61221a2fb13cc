#include "control/service/follower.h"

#include <pthread.h>

#include <chrono>
#include <utility>

namespace vpn::control {
namespace {

/// After a failure. The feed paces itself; this keeps one that does not from turning in circles.
constexpr std::chrono::milliseconds kPause{50};

}  // namespace

Follower::Follower(std::unique_ptr<ChangeFeed> feed, Tell tell)
    : feed_(std::move(feed)), tell_(std::move(tell)), thread_([this] { run(); }) {}

Follower::~Follower() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_one();
  feed_->stop();
  thread_.join();
}

void Follower::run() {
  pthread_setname_np(pthread_self(), "feed");
  while (true) {
    Result<Changes> changes = feed_->next();
    const bool failed = !changes;
    {
      const std::lock_guard lock(mutex_);
      if (stopping_) return;
    }
    tell_(std::move(changes));
    if (failed && rest()) return;
  }
}

/// True when the follower stops.
bool Follower::rest() {
  std::unique_lock lock(mutex_);
  return stopped_.wait_for(lock, kPause, [this] { return stopping_; });
}

}  // namespace vpn::control
