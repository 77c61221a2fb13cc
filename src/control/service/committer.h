// The store's own thread: requests that arrive while a commit runs share the next one (group commit), so one fsync
// answers many.
//
// submit() and stop() are called on the control strand, and both handlers run there, through Post. The thread, "store",
// alone calls the store, and holds no lock meanwhile. Nothing of it runs while nothing is asked, except that a failing
// store is probed.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "base/error.h"
#include "control/service/strand.h"
#include "control/store/store.h"

namespace vpn::control {

class Committer {
 public:
  using Answer = std::function<void(Status)>;

  /// What one commit held; element i of each belongs to element i of the others.
  struct Batch {
    std::vector<Mutation> mutations;
    std::vector<Answer> answers;
    std::vector<Status> statuses;
  };

  struct Handlers {
    /// Called once for each commit; gives the answers.
    std::function<void(Batch)> on_commit;
    /// Called when the store begins to fail, with the failure, and when it works again.
    std::function<void(Status)> on_store_state;
  };

  struct Limits {
    /// Mutations that wait for the commit that runs. More are refused.
    std::size_t queued = 4096;
    /// How often a failing store is probed.
    std::chrono::milliseconds probe_interval = std::chrono::seconds(2);
  };

  /// `store` outlives it.
  Committer(Store& store, Post post, Handlers handlers, Limits limits);
  ~Committer() { stop(); }
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  /// Queues a mutation. Mutations are committed in the order of their submission, and `answer` comes with on_commit.
  /// kUnavailable, and no answer, when the queue is full or stop() was called.
  Status submit(Mutation mutation, Answer answer);

  /// Commits what is queued and ends the thread. The last batch has been posted when it returns.
  void stop();

 private:
  void run();
  Status commit(Batch batch);

  Store& store_;
  const Post post_;
  const Handlers handlers_;
  const Limits limits_;

  std::mutex mutex_;
  std::condition_variable wake_;
  Batch queue_;            // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  std::thread thread_;     // last: it uses all of the above
};

}  // namespace vpn::control
