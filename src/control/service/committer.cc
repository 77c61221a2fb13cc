#include "control/service/committer.h"

#include <pthread.h>

#include <utility>

#include "base/check.h"

namespace vpn::control {

Committer::Committer(Store& store, Post post, Handlers handlers, Limits limits)
    : store_(store), post_(std::move(post)), handlers_(std::move(handlers)), limits_(limits), thread_([this] {
        run();
      }) {}

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

void Committer::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Committer::run() {
  pthread_setname_np(pthread_self(), "store");
  bool store_ok = true;
  std::unique_lock lock(mutex_);
  const auto has_work = [this] { return stopping_ || !queue_.mutations.empty(); };
  while (true) {
    if (store_ok) {
      wake_.wait(lock, has_work);
    } else {
      wake_.wait_for(lock, limits_.probe_interval, has_work);
    }
    if (stopping_ && queue_.mutations.empty()) return;
    Batch batch = std::exchange(queue_, {});

    lock.unlock();
    Status state = batch.mutations.empty() ? store_.probe() : commit(std::move(batch));
    if (state.has_value() != store_ok) {
      store_ok = state.has_value();
      post_([this, state = std::move(state)] { handlers_.on_store_state(state); });
    }
    lock.lock();
  }
}

/// The failure of the commit as a whole, if any.
Status Committer::commit(Batch batch) {
  batch.statuses = store_.commit(batch.mutations);
  CHECK(batch.statuses.size() == batch.mutations.size());
  const Status& first = batch.statuses.front();
  Status state = !first && first.error().code == ErrorCode::kUnavailable ? first : Status();
  post_([this, batch = std::move(batch)]() mutable { handlers_.on_commit(std::move(batch)); });
  return state;
}

}  // namespace vpn::control
