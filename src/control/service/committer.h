// The store's own thread. It loads the clients; commits mutations, where those that arrive while a commit runs share
// the next one (group commit), so one fsync answers many; and reads anew what other replicas changed.
//
// submit() and stop() are called on the control strand, and the handlers run there, through Post. The thread, "store",
// alone calls the store, and holds no lock meanwhile. So what it posts is in the order of what it saw: each message is
// newer than every one before it, be it a commit's outcome, a client read anew or all of them.
//
// A store that fails is asked again, for ever. A shared one is read as a whole when it is back: a mutation may have
// been applied although it was refused. Nothing of this runs while nothing is asked, told or failing.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/key.h"
#include "control/service/follower.h"
#include "control/service/strand.h"
#include "control/store/store.h"

namespace vpn::control {

class Committer {
 public:
  /// Gets its mutation back, and what became of it.
  using Answer = std::function<void(const Mutation&, Status)>;

  /// What one commit held; element i of each belongs to element i of the others.
  struct Batch {
    std::vector<Mutation> mutations;
    std::vector<Answer> answers;
    std::vector<Status> statuses;
  };

  /// Clients as they are now; nullopt: there is none. Element i of one belongs to element i of the other.
  struct Reading {
    std::vector<PublicKey> keys;
    std::vector<std::optional<Client>> clients;
  };

  struct Handlers {
    /// Called once for each commit; gives the answers.
    std::function<void(Batch)> on_commit;
    /// Everything: at first, and whenever it is not known what has changed.
    std::function<void(Contents)> on_contents;
    /// What others may have changed.
    std::function<void(Reading)> on_reading = {};
    /// The gateway's key from a shared store, before the first on_contents; see `proposed_key`.
    std::function<void(PrivateKey)> on_server_key = {};
    /// Called when the store (or its feed) begins to fail, when it fails otherwise, and when all is well again and what
    /// was missed has been told.
    std::function<void(Status)> on_store_state;
  };

  struct Limits {
    /// Mutations that wait for the commit that runs. More are refused.
    std::size_t queued = 4096;
    /// How often a failing store is asked again.
    std::chrono::milliseconds probe_interval = std::chrono::seconds(2);
  };

  /// Loads at once, on its thread. `store` outlives it. With `proposed_key` a shared store is asked for the gateway's
  /// key, and given this one when it has none.
  Committer(Store& store, std::optional<PrivateKey> proposed_key, Post post, Handlers handlers, Limits limits);
  ~Committer() { stop(); }
  Committer(const Committer&) = delete;
  Committer& operator=(const Committer&) = delete;

  /// Queues a mutation. Mutations are committed in the order of their submission, and `answer` comes with on_commit.
  /// kUnavailable, and no answer, when the queue is full or stop() was called.
  Status submit(Mutation mutation, Answer answer);

  /// Commits what is queued and ends the thread. The last batch has been posted when it returns. A shared store that
  /// fails is asked once more. As long as the store takes: see stop_by().
  void stop();

  /// The same; false when the thread has not ended by then, for the store hangs. What the committer was given must then
  /// stay where it is.
  bool stop_by(std::chrono::steady_clock::time_point deadline);

 private:
  void begin_stop();
  void run();
  void work();
  bool wait_for_work(Batch& batch, Status& feed_state);
  Status commit(Batch batch);
  Status catch_up();
  Status join();
  Status load();
  Status read();
  void tell(Result<Changes> told);

  Store& store_;
  const Post post_;
  const Handlers handlers_;
  const Limits limits_;

  std::mutex mutex_;
  std::condition_variable wake_;  // of the thread
  std::condition_variable end_;   // of who waits for its end
  Batch queue_;                   // guarded by mutex_
  Changes told_;                  // guarded by mutex_: what the feed named and is not yet taken up
  Status feed_state_;             // guarded by mutex_
  bool feed_news_ = false;        // guarded by mutex_: one of the two has changed
  bool stopping_ = false;         // guarded by mutex_
  bool ended_ = false;            // guarded by mutex_: the thread does nothing more

  // The thread's own:
  std::optional<PrivateKey> proposed_key_;
  std::unique_ptr<Follower> follower_;
  Changes unread_{.everything = true, .keys = {}};  // what the strand is to be told
  bool loaded_ = false;
  Status store_state_;  // of the last thing that the store was asked

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace vpn::control
