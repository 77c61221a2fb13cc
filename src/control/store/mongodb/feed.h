// The feed of a MongoStore: a thread that asks a source of changes again and again, so that whoever waits for them can
// be stopped at once, however long the server keeps the source waiting.
//
// Owned by its follower; next() on one thread, stop() from any. Its end waits for the source's call, which a server
// that is away keeps for as long as the time limits allow (options.cc): some 5 s.
#pragma once

#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <thread>

#include "control/store/mongodb/news.h"
#include "control/store/store.h"

namespace vpn::control::mongodb {

/// Where changes come from. One thread.
class ChangeSource {
 public:
  virtual ~ChangeSource() = default;
  /// Before the first take(): from its return on, no change is missed.
  virtual Status open() = 0;
  /// What has changed since the last call, nothing included; may wait for it up to half a second. After an error
  /// nothing is lost: the next answer tells it.
  virtual Result<Changes> take() = 0;
  /// How long to rest between two calls.
  virtual std::chrono::milliseconds pause() const = 0;
};

class Feed final : public ChangeFeed {
 public:
  /// `news` outlives it.
  Feed(std::unique_ptr<ChangeSource> source, News& news);
  ~Feed() override;

  Result<Changes> next() override;
  void stop() override;

 private:
  void run();
  void put(Result<Changes> taken);
  bool has_news() const { return waiting_.everything || !waiting_.keys.empty() || failure_ || recovered_; }

  const std::unique_ptr<ChangeSource> source_;
  News& news_;
  std::mutex mutex_;
  std::condition_variable wake_;
  Changes waiting_;               // guarded by mutex_; up to kMaxChangedKeys
  std::optional<Error> failure_;  // guarded by mutex_; the last call's
  bool failure_told_ = false;     // guarded by mutex_; next() has told of a failure whose end it has not told
  bool recovered_ = false;        // guarded by mutex_; that failure is over
  bool stopping_ = false;         // guarded by mutex_
  std::thread thread_;            // last: it uses all of the above
};

}  // namespace vpn::control::mongodb
