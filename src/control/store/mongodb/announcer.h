// Tells the other gateways of a commit's changes while it is under way, where the server has no change streams: what
// the two wait for passes at once. So an announcement may be heard before its change is there; whoever hears it looks
// again after kLookAgain (revisions.h).
//
// The store's thread calls; the request itself has a thread, which the first one starts.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "base/error.h"
#include "base/key.h"
#include "control/store/mongodb/server.h"

namespace vpn::control::mongodb {

class Announcer {
 public:
  /// `server` outlives it.
  explicit Announcer(Server& server) : server_(server) {}
  ~Announcer();
  Announcer(const Announcer&) = delete;
  Announcer& operator=(const Announcer&) = delete;

  void begin(std::string writer, std::vector<PublicKey> keys);
  /// Waits for what was begun, and repeats it when the change took so long that somebody may have looked twice already.
  Status finish();

 private:
  void run();

  Server& server_;
  std::string writer_;           // set before asked_, and left alone until answered
  std::vector<PublicKey> keys_;  // as writer_
  std::chrono::steady_clock::time_point begun_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool asked_ = false;     // guarded by mutex_
  bool stopping_ = false;  // guarded by mutex_
  Status told_;            // guarded by mutex_
  std::thread thread_;
};

}  // namespace vpn::control::mongodb
