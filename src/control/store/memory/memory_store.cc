#include "control/store/memory/memory_store.h"

#include "control/store/store_error.h"

namespace vpn::control {

Result<Contents> MemoryStore::load() {
  const std::lock_guard lock(mutex_);
  if (failure_) return fail(*failure_);
  Contents contents;
  for (const auto& [key, client] : clients_) contents.clients.push_back(client);
  return contents;
}

std::vector<Status> MemoryStore::commit(std::span<const Mutation> mutations) {
  const std::lock_guard lock(mutex_);
  ++commit_count_;
  std::vector<Status> statuses;
  for (const Mutation& mutation : mutations) {
    statuses.push_back(failure_ ? Status(fail(*failure_))
                                : std::visit([this](const auto& change) { return apply(change); }, mutation));
  }
  return statuses;
}

Status MemoryStore::probe() {
  const std::lock_guard lock(mutex_);
  if (failure_) return fail(*failure_);
  return {};
}

void MemoryStore::fail_with(std::optional<std::string> reason, ErrorCode code) {
  const std::lock_guard lock(mutex_);
  failure_.reset();
  if (reason) failure_ = Error{code, std::move(*reason)};
}

std::size_t MemoryStore::commit_count() const {
  const std::lock_guard lock(mutex_);
  return commit_count_;
}

Status MemoryStore::apply(const InsertClient& insert) {
  const Client& added = insert.client;
  if (clients_.contains(added.public_key)) return fail(client_exists(added.public_key));
  for (const auto& [key, client] : clients_) {
    if (client.address == added.address) return fail(address_taken(added.address));
  }
  for (const auto& [key, client] : clients_) {
    if (!added.name.empty() && client.name == added.name) return fail(name_taken(added.name));
  }
  clients_.emplace(added.public_key, added);
  return {};
}

Status MemoryStore::apply(const RemoveClient& remove) {
  if (clients_.erase(remove.public_key) == 0) return fail(client_not_found(remove.public_key));
  return {};
}

Status MemoryStore::apply(const SetClientEnabled& set) {
  const auto found = clients_.find(set.public_key);
  if (found == clients_.end()) return fail(client_not_found(set.public_key));
  found->second.enabled = set.enabled;
  return {};
}

}  // namespace vpn::control
