#include "control/service/roster.h"

#include <utility>

#include "base/check.h"

namespace vpn::control {

std::optional<IpAddress> Roster::begin(const PublicKey& key, const std::string& name, Random& random) {
  const auto address = allocate(random);
  if (!address) return std::nullopt;
  pending_.emplace(key, 0);
  if (!name.empty()) pending_names_.insert(name);
  return address;
}

std::optional<IpAddress> Roster::begin_again(const Client& creation, Random& random) {
  pending_addresses_.erase(creation.address);
  refused_.insert(creation.address);
  ++pending_.at(creation.public_key);
  return allocate(random);
}

std::optional<IpAddress> Roster::allocate(Random& random) {
  const std::size_t place = refused_.empty() ? 0 : random.below(static_cast<std::uint32_t>(pool_.capacity()));
  const auto address = pool_.allocate_from(place);
  if (address) pending_addresses_.insert(*address);
  return address;
}

void Roster::forget(const IpAddress& refused) {
  if (refused_.erase(refused) != 0) release(refused);
}

void Roster::end(const Client& creation) {
  pending_.erase(creation.public_key);
  pending_names_.erase(creation.name);
  if (pending_addresses_.erase(creation.address) != 0) release(creation.address);
}

std::size_t Roster::refusals(const PublicKey& key) const {
  const auto found = pending_.find(key);
  return found == pending_.end() ? 0 : found->second;
}

/// Frees an address that somebody gave up, unless another has it.
void Roster::release(const IpAddress& address) {
  if (!pool_.contains(address) || clients_.find_by_address(address) != nullptr) return;
  if (!pending_addresses_.contains(address) && !refused_.contains(address)) pool_.release(address);
}

void Roster::put(Client client, Keys& changed) {
  Client* known = clients_.find(client.public_key);
  if (known != nullptr && *known == client) return;
  changed.push_back(client.public_key);
  if (known != nullptr && known->address == client.address && known->name == client.name) {
    *known = std::move(client);
    return;
  }
  erase(client.public_key, changed);
  if (const Client* holder = clients_.find_by_address(client.address)) erase(PublicKey(holder->public_key), changed);
  if (const Client* holder = clients_.find_by_name(client.name)) erase(PublicKey(holder->public_key), changed);
  (void)pool_.take(client.address);  // a creation, or nobody, may have it
  CHECK(clients_.insert(std::move(client)));
}

void Roster::erase(const PublicKey& key, Keys& changed) {
  const Client* client = clients_.find(key);
  if (client == nullptr) return;
  changed.push_back(key);
  const IpAddress address = client->address;
  clients_.erase(key);
  release(address);
}

void Roster::replace(std::vector<Client> stored, Keys& changed) {
  if (clients_.size() != 0) {
    std::unordered_set<PublicKey> keys;
    keys.reserve(stored.size());
    for (const Client& client : stored) keys.insert(client.public_key);
    for (const Client* client : clients_.list()) {
      if (!keys.contains(client->public_key)) erase(PublicKey(client->public_key), changed);
    }
  }
  for (Client& client : stored) put(std::move(client), changed);
}

}  // namespace vpn::control
