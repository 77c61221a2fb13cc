// A store that several gateways share, in memory: for tests, which may make it fail in every way that a network and a
// server can.
//
// A MemoryDatabase is the server, a MemorySharedStore one gateway's way to it. Both are safe from any thread.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "control/store/store.h"

namespace vpn::control {

class MemorySharedStore;
class MemoryFeed;

class MemoryDatabase {
 public:
  /// The clients, in order of key.
  std::vector<Client> clients() const;
  /// Tells every feed of these keys again, though nothing has changed: as an old message that comes late.
  void tell_again(const std::vector<PublicKey>& keys);
  /// Tells every feed that it missed something: which clients, is not known.
  void lose_feeds();
  void set_faults(std::vector<std::string> faults);

 private:
  friend MemorySharedStore;
  friend MemoryFeed;

  struct Row {
    Client client;
    std::uint64_t id;  ///< of the insertion, so that one can be taken back and no later one
  };
  // With the lock held:
  Status apply(const InsertClient& insert);
  Status apply(const RemoveClient& remove);
  Status apply(const SetClientEnabled& set);
  void log(const PublicKey& key);
  void take_back(std::vector<std::uint64_t>& ids);

  mutable std::mutex mutex_;         // guards all below, and the stores' and feeds' state
  std::condition_variable changed_;  // of anything that a feed waits for
  std::map<PublicKey, Row> rows_;
  std::uint64_t last_id_ = 0;
  std::vector<PublicKey> log_;   // every change; a feed is a place in it
  std::size_t lost_before_ = 0;  // a feed at an earlier place has lost its way
  std::optional<PrivateKey> server_key_;
  std::vector<std::string> faults_;
};

class MemorySharedStore final : public SharedStore {
 public:
  /// `database` outlives it.
  explicit MemorySharedStore(MemoryDatabase& database) : database_(database) {}

  std::string description() const override { return "memory, shared (forgotten at exit)"; }
  Result<Contents> load() override;
  std::vector<Status> commit(std::span<const Mutation> mutations) override;
  Status probe() override;
  Result<std::unique_ptr<ChangeFeed>> follow() override;
  Result<std::vector<std::optional<Client>>> read(std::span<const PublicKey> keys) override;
  Result<PrivateKey> server_key(const PrivateKey& fresh) override;

  /// From now on everything fails so, the feed with kUnavailable; nullopt mends all but the feed's own troubles.
  void fail_with(std::optional<Error> failure);
  /// The connection breaks after the next commit's `mutations` first mutations were applied and before any is answered;
  /// everything fails until fail_with(nullopt).
  void lose_next_answer(std::size_t mutations);
  /// From now on the feed alone fails, or works again.
  void fail_feed(bool failing);
  /// From now on the feed says nothing, as one that is slow; or tells what it kept back.
  void hold_feed(bool held);

 private:
  friend MemoryFeed;

  Status reach();

  MemoryDatabase& database_;
  // Guarded by the database's mutex:
  std::optional<Error> failure_;
  std::optional<std::size_t> answer_lost_after_;
  std::vector<std::uint64_t> unanswered_;  // insertions that were applied and whose answer was lost
  bool feed_fails_ = false;
  bool feed_held_ = false;
};

}  // namespace vpn::control
