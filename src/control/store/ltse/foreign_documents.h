// The original's documents, which have random `_id`s and no reservations, so that they must be known: found by key and
// by address. And the documents of which more is to be looked at than themselves when they change: those that are no
// clients, and those of clients that share a key, an address or a name.
//
// The store replaces them with each load(); a feed asks about one. Any thread.
#pragma once

#include <mutex>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "base/ip.h"
#include "base/key.h"

namespace vpn::control::ltse {

class ForeignDocuments {
 public:
  struct Entry {
    std::string id;
    PublicKey key;
    IpAddress address;
  };

  void replace(std::span<const Entry> entries, std::unordered_set<std::string> entangled) {
    const std::lock_guard lock(mutex_);
    entangled_ = std::move(entangled);
    ids_.clear();
    by_key_.clear();
    by_address_.clear();
    for (const Entry& entry : entries) {
      ids_.insert(entry.id);
      by_key_[entry.key].push_back(entry.id);
      by_address_[entry.address].push_back(entry.id);
    }
  }
  std::vector<std::string> of(const PublicKey& key) const {
    const std::lock_guard lock(mutex_);
    const auto found = by_key_.find(key);
    return found != by_key_.end() ? found->second : std::vector<std::string>{};
  }
  std::vector<std::string> at(const IpAddress& address) const {
    const std::lock_guard lock(mutex_);
    const auto found = by_address_.find(address);
    return found != by_address_.end() ? found->second : std::vector<std::string>{};
  }
  bool knows(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    return ids_.contains(id);
  }
  /// By its own id, or by the id that one of ours would have with its key.
  bool is_entangled(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    return entangled_.contains(id);
  }

 private:
  mutable std::mutex mutex_;  // guards all below
  std::unordered_set<std::string> ids_;
  std::unordered_set<std::string> entangled_;
  std::unordered_map<PublicKey, std::vector<std::string>> by_key_;
  std::unordered_map<IpAddress, std::vector<std::string>> by_address_;
};

}  // namespace vpn::control::ltse
