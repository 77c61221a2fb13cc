// What the store and its feed know together: who writes here, which key an original's document has, and whether
// something happened that no feed will tell.
//
// Safe from any thread. Owned by MongoStore, which outlives the feed.
#pragma once

#include <cstring>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/key.h"
#include "control/store/mongodb/stamp.h"

namespace vpn::control::mongodb {

struct ObjectIdHash {
  std::size_t operator()(const bson_oid_t& id) const { return bson_oid_hash(&id); }
};
struct ObjectIdEqual {
  bool operator()(const bson_oid_t& a, const bson_oid_t& b) const { return bson_oid_equal(&a, &b); }
};
/// The keys of documents whose `_id` does not tell it: the original's.
using OriginalKeys = std::unordered_map<bson_oid_t, PublicKey, ObjectIdHash, ObjectIdEqual>;

class News {
 public:
  /// Whether a write is ours and was acknowledged: its teller knows already.
  bool is_own(const Stamp& stamp) const {
    const std::lock_guard lock(mutex_);
    return writer_.made(stamp);
  }
  std::string writer_name() const {
    const std::lock_guard lock(mutex_);
    return writer_.name();
  }
  /// For the stamps of one commit.
  Writer writer() const {
    const std::lock_guard lock(mutex_);
    return writer_;
  }
  void wrote(const Writer& writer) {
    const std::lock_guard lock(mutex_);
    writer_ = writer;
  }
  /// After a write with an unknown end: what we have written until now counts as another's.
  void rename() {
    const std::lock_guard lock(mutex_);
    writer_ = Writer();
  }

  void set_original_keys(OriginalKeys keys) {
    const std::lock_guard lock(mutex_);
    original_keys_ = std::move(keys);
  }
  std::optional<PublicKey> original_key(const bson_oid_t& id) const {
    const std::lock_guard lock(mutex_);
    const auto found = original_keys_.find(id);
    return found == original_keys_.end() ? std::nullopt : std::optional(found->second);
  }

  /// Anything may have changed; the feed says so.
  void owe_everything() {
    const std::lock_guard lock(mutex_);
    everything_ = true;
  }
  bool take_everything() {
    const std::lock_guard lock(mutex_);
    return std::exchange(everything_, false);
  }

 private:
  mutable std::mutex mutex_;  // guards all below
  Writer writer_;
  OriginalKeys original_keys_;
  bool everything_ = false;
};

}  // namespace vpn::control::mongodb
