// A memory store whose commits wait at a gate, so that a test decides what is pending meanwhile.
//
// Safe from any thread.
#pragma once

#include <condition_variable>
#include <mutex>

#include "control/store/memory/memory_store.h"

namespace vpn::control {

class GatedStore final : public Store {
 public:
  MemoryStore& inner() { return inner_; }

  void close() {
    const std::lock_guard lock(mutex_);
    open_ = false;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }
  /// Returns when a commit stands before the closed gate.
  void wait_for_commit() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return waiting_; });
  }

  std::string description() const override { return inner_.description(); }
  Result<Contents> load() override { return inner_.load(); }
  Status probe() override { return inner_.probe(); }
  std::vector<Status> commit(std::span<const Mutation> mutations) override {
    std::unique_lock lock(mutex_);
    waiting_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
    waiting_ = false;
    return inner_.commit(mutations);
  }

 private:
  MemoryStore inner_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = true;      // guarded by mutex_
  bool waiting_ = false;  // guarded by mutex_
};

}  // namespace vpn::control
