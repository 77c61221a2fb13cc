#include "control/service/client_table.h"

#include "base/check.h"
#include "control/store/store_error.h"

namespace vpn::control {

Status ClientTable::insert(Client client) {
  CHECK(client.address.is_v4());
  if (find(client.public_key) != nullptr) return fail(client_exists(client.public_key));
  if (find_by_name(client.name) != nullptr) return fail(name_taken(client.name));
  const auto [place, fresh] = by_address_.try_emplace(client.address.v4_host_order(), std::move(client));
  if (!fresh) return fail(address_taken(client.address));  // try_emplace moved nothing
  Client* inserted = &place->second;
  by_key_.insert(inserted);
  if (!inserted->name.empty()) by_name_.insert(inserted);
  return {};
}

void ClientTable::erase(const PublicKey& key) {
  Client* client = find(key);
  if (client == nullptr) return;
  by_key_.erase(client);
  if (!client->name.empty()) by_name_.erase(client);
  by_address_.erase(client->address.v4_host_order());
}

Client* ClientTable::find(const PublicKey& key) const {
  const auto found = by_key_.find(key);
  return found == by_key_.end() ? nullptr : *found;
}

Client* ClientTable::find_by_name(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : *found;
}

const Client* ClientTable::find_by_address(const IpAddress& address) const {
  const auto found = by_address_.find(address.v4_host_order());
  return found == by_address_.end() ? nullptr : &found->second;
}

std::vector<const Client*> ClientTable::list() const {
  std::vector<const Client*> clients;
  clients.reserve(by_address_.size());
  for (const auto& [address, client] : by_address_) clients.push_back(&client);
  return clients;
}

}  // namespace vpn::control
