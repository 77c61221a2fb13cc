// A control strand for tests: the test's own thread runs what was posted, and time moves when told.
#pragma once

#include <gtest/gtest.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <utility>

#include "control/service/strand.h"

namespace vpn::control {

class TestStrand {
 public:
  Post post() {
    return [this](std::function<void()> function) {
      const std::lock_guard lock(mutex_);
      posted_.push_back(std::move(function));
      ++post_count_;
      arrived_.notify_one();
    };
  }

  Delay delay() {
    return [this](std::chrono::milliseconds after, std::function<void()> function) {
      delayed_.emplace(now_ + after, std::move(function));
    };
  }

  /// Runs posted functions, waiting for more, until the condition holds. A test that waits in vain fails.
  void run_until(const std::function<bool()>& condition) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
    while (!condition()) {
      std::unique_lock lock(mutex_);
      ASSERT_TRUE(arrived_.wait_until(lock, deadline, [this] { return !posted_.empty(); }))
          << "nothing more was posted";
      run_one(lock);
    }
  }

  /// Runs what has been posted by now.
  void run_posted() {
    std::unique_lock lock(mutex_);
    while (!posted_.empty()) {
      run_one(lock);
      lock.lock();
    }
  }

  /// Lets time pass, running what is delayed as it comes due.
  void advance(std::chrono::milliseconds by) {
    const auto until = now_ + by;
    while (!delayed_.empty() && delayed_.begin()->first <= until) {
      auto due = delayed_.extract(delayed_.begin());
      now_ = due.key();
      due.mapped()();
      run_posted();
    }
    now_ = until;
  }

  std::size_t delayed_count() const { return delayed_.size(); }
  std::size_t post_count() {
    const std::lock_guard lock(mutex_);
    return post_count_;
  }

 private:
  /// Leaves the lock open.
  void run_one(std::unique_lock<std::mutex>& lock) {
    const auto function = std::move(posted_.front());
    posted_.pop_front();
    lock.unlock();
    function();
  }

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<std::function<void()>> posted_;  // guarded by mutex_
  std::size_t post_count_ = 0;                // guarded by mutex_

  std::chrono::milliseconds now_{0};
  std::multimap<std::chrono::milliseconds, std::function<void()>> delayed_;
};

}  // namespace vpn::control
