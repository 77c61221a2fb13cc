// The clients as this gateway knows them: those that the store holds, the creations on their way to it, and which
// addresses are free.
//
// An address is taken while a client has it, while a creation asks for it, or for a while after the store refused it:
// then a client has it that another replica made and that we have not heard of yet.
//
// A value of the control strand.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/random.h"
#include "control/model/client.h"
#include "control/service/address_pool.h"
#include "control/service/client_table.h"

namespace vpn::control {

class Roster {
 public:
  using Keys = std::vector<PublicKey>;

  explicit Roster(AddressPool pool) : pool_(std::move(pool)) {}

  const ClientTable& clients() const { return clients_; }
  /// How many addresses the subnet holds, and whether one is for clients.
  const AddressPool& addresses() const { return pool_; }

  /// Begins a creation. Its address is the lowest free one; from a random place on while other replicas' clients get in
  /// our way, so that we do not meet at every creation. Nothing when none is free.
  std::optional<IpAddress> begin(const PublicKey& key, const std::string& name, Random& random);
  /// The store refused the creation's address: gives it another. The refused one is taken until forget().
  std::optional<IpAddress> begin_again(const Client& creation, Random& random);
  void forget(const IpAddress& refused);
  /// The creation has come to an end; what the client does not have now is free again.
  void end(const Client& creation);

  bool is_pending(const PublicKey& key) const { return pending_.contains(key); }
  bool is_pending_name(const std::string& name) const { return pending_names_.contains(name); }
  std::size_t pending_count() const { return pending_.size(); }
  /// How many addresses the store refused this creation.
  std::size_t refusals(const PublicKey& key) const;

  // What the store holds, in the order in which it was seen. Keys of clients that are not what they were are added to
  // `changed`, some perhaps twice.

  /// Whoever else has the client's key, address or name in memory is no longer in the store.
  void put(Client client, Keys& changed);
  void erase(const PublicKey& key, Keys& changed);
  /// These and no others.
  void replace(std::vector<Client> stored, Keys& changed);

 private:
  std::optional<IpAddress> allocate(Random& random);
  void release(const IpAddress& address);

  AddressPool pool_;
  ClientTable clients_;
  // Creations on their way to the store, so that of two for one key or name the first wins.
  std::unordered_map<PublicKey, std::size_t> pending_;  // with the number of addresses that were refused
  std::unordered_set<std::string> pending_names_;
  std::unordered_set<IpAddress> pending_addresses_;
  std::unordered_set<IpAddress> refused_;
};

}  // namespace vpn::control
