#include "control/store/memory/memory_shared_store.h"

#include <algorithm>
#include <utility>

#include "control/store/store_error.h"

namespace vpn::control {

/// A place in the database's log. It fails once for each failure, and then waits for its end.
class MemoryFeed final : public ChangeFeed {
 public:
  /// With the database's lock held.
  explicit MemoryFeed(MemorySharedStore& store)
      : store_(store), database_(store.database_), next_(database_.log_.size()) {}

  Result<Changes> next() override {
    std::unique_lock lock(database_.mutex_);
    database_.changed_.wait(lock,
                            [this] { return stopped_ || (fails() ? !failure_told_ : failure_told_ || has_news()); });
    if (stopped_) return Changes{};
    failure_told_ = fails();
    if (failure_told_) return fail(ErrorCode::kUnavailable, "the feed is broken");
    if (!has_news()) return Changes{};
    return take_news();
  }

  void stop() override {
    const std::lock_guard lock(database_.mutex_);
    stopped_ = true;
    database_.changed_.notify_all();
  }

 private:
  bool fails() const { return store_.failure_ || store_.feed_fails_; }
  bool has_news() const { return !store_.feed_held_ && next_ < database_.log_.size(); }
  Changes take_news() {
    const auto from = database_.log_.begin() + static_cast<std::ptrdiff_t>(next_);
    Changes changes{.everything = next_ < database_.lost_before_, .keys = {from, database_.log_.end()}};
    if (changes.everything || changes.keys.size() > kMaxChangedKeys) changes = {.everything = true, .keys = {}};
    next_ = database_.log_.size();
    return changes;
  }

  MemorySharedStore& store_;
  MemoryDatabase& database_;
  std::size_t next_;
  bool failure_told_ = false;
  bool stopped_ = false;
};

// --- The database ---

std::vector<Client> MemoryDatabase::clients() const {
  const std::lock_guard lock(mutex_);
  std::vector<Client> clients;
  for (const auto& [key, row] : rows_) clients.push_back(row.client);
  return clients;
}

void MemoryDatabase::tell_again(const std::vector<PublicKey>& keys) {
  const std::lock_guard lock(mutex_);
  for (const PublicKey& key : keys) log(key);
}

void MemoryDatabase::lose_feeds() {
  const std::lock_guard lock(mutex_);
  log(PublicKey());
  lost_before_ = log_.size();
}

void MemoryDatabase::set_faults(std::vector<std::string> faults) {
  const std::lock_guard lock(mutex_);
  faults_ = std::move(faults);
}

void MemoryDatabase::log(const PublicKey& key) {
  log_.push_back(key);
  changed_.notify_all();
}

Status MemoryDatabase::apply(const InsertClient& insert) {
  const Client& added = insert.client;
  if (rows_.contains(added.public_key)) return fail(client_exists(added.public_key));
  for (const auto& [key, row] : rows_) {
    if (row.client.address == added.address) return fail(address_taken(added.address));
  }
  for (const auto& [key, row] : rows_) {
    if (!added.name.empty() && row.client.name == added.name) return fail(name_taken(added.name));
  }
  rows_.emplace(added.public_key, Row{added, ++last_id_});
  log(added.public_key);
  return {};
}

Status MemoryDatabase::apply(const RemoveClient& remove) {
  if (rows_.erase(remove.public_key) == 0) return fail(client_not_found(remove.public_key));
  log(remove.public_key);
  return {};
}

Status MemoryDatabase::apply(const SetClientEnabled& set) {
  const auto found = rows_.find(set.public_key);
  if (found == rows_.end()) return fail(client_not_found(set.public_key));
  found->second.client.enabled = set.enabled;
  log(set.public_key);
  return {};
}

void MemoryDatabase::take_back(std::vector<std::uint64_t>& ids) {
  if (ids.empty()) return;
  std::erase_if(rows_, [&](const auto& entry) {
    const bool unanswered = std::ranges::find(ids, entry.second.id) != ids.end();
    if (unanswered) log(entry.first);
    return unanswered;
  });
  ids.clear();
}

// --- A gateway's way to it ---

/// With the database's lock held, before everything: what it cannot answer for is taken back first.
Status MemorySharedStore::reach() {
  if (failure_) return fail(*failure_);
  database_.take_back(unanswered_);
  return {};
}

Result<Contents> MemorySharedStore::load() {
  const std::lock_guard lock(database_.mutex_);
  if (Status reached = reach(); !reached) return fail(std::move(reached).error());
  Contents contents{.clients = {}, .faults = database_.faults_};
  for (const auto& [key, row] : database_.rows_) contents.clients.push_back(row.client);
  return contents;
}

std::vector<Status> MemorySharedStore::commit(std::span<const Mutation> mutations) {
  const std::lock_guard lock(database_.mutex_);
  if (const Status reached = reach(); !reached) return std::vector<Status>(mutations.size(), reached);
  std::vector<Status> statuses;
  for (const Mutation& mutation : mutations) {
    if (answer_lost_after_ == statuses.size()) break;
    statuses.push_back(std::visit([this](const auto& change) { return database_.apply(change); }, mutation));
    if (answer_lost_after_ && statuses.back() && std::holds_alternative<InsertClient>(mutation)) {
      unanswered_.push_back(database_.last_id_);
    }
  }
  if (!std::exchange(answer_lost_after_, std::nullopt)) return statuses;
  failure_ = Error{ErrorCode::kUnavailable, "the connection broke"};
  database_.changed_.notify_all();
  return std::vector<Status>(mutations.size(), fail(*failure_));
}

Status MemorySharedStore::probe() {
  const std::lock_guard lock(database_.mutex_);
  return reach();
}

Result<std::unique_ptr<ChangeFeed>> MemorySharedStore::follow() {
  const std::lock_guard lock(database_.mutex_);
  if (Status reached = reach(); !reached) return fail(std::move(reached).error());
  return std::make_unique<MemoryFeed>(*this);
}

Result<std::vector<std::optional<Client>>> MemorySharedStore::read(std::span<const PublicKey> keys) {
  const std::lock_guard lock(database_.mutex_);
  if (Status reached = reach(); !reached) return fail(std::move(reached).error());
  std::vector<std::optional<Client>> clients;
  for (const PublicKey& key : keys) {
    const auto found = database_.rows_.find(key);
    clients.push_back(found == database_.rows_.end() ? std::nullopt : std::optional(found->second.client));
  }
  return clients;
}

Result<PrivateKey> MemorySharedStore::server_key(const PrivateKey& fresh) {
  const std::lock_guard lock(database_.mutex_);
  if (Status reached = reach(); !reached) return fail(std::move(reached).error());
  if (!database_.server_key_ && fresh.is_zero()) return fail(ErrorCode::kNotFound, "no server key is kept");
  if (!database_.server_key_) database_.server_key_ = fresh;
  return *database_.server_key_;
}

void MemorySharedStore::fail_with(std::optional<Error> failure) {
  const std::lock_guard lock(database_.mutex_);
  failure_ = std::move(failure);
  answer_lost_after_.reset();
  database_.changed_.notify_all();
}

void MemorySharedStore::lose_next_answer(std::size_t mutations) {
  const std::lock_guard lock(database_.mutex_);
  answer_lost_after_ = mutations;
}

void MemorySharedStore::fail_feed(bool failing) {
  const std::lock_guard lock(database_.mutex_);
  feed_fails_ = failing;
  database_.changed_.notify_all();
}

void MemorySharedStore::hold_feed(bool held) {
  const std::lock_guard lock(database_.mutex_);
  feed_held_ = held;
  database_.changed_.notify_all();
}

}  // namespace vpn::control
