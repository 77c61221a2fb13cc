// The clients (client_service.h), kept in memory, in the store and in the tunnel, in this order:
//
//     request -> checks against memory -> committer (store) -> memory -> reconciler (tunnel) -> answer
//
// Lives on the control strand. Owned by main.cc, which destroys it when the strand has ended.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "control/service/address_pool.h"
#include "control/service/client_service.h"
#include "control/service/client_table.h"
#include "control/service/committer.h"
#include "control/service/reconciler.h"
#include "control/service/strand.h"
#include "control/store/store.h"
#include "tunnel/tunnel.h"

namespace vpn::control {

class ClientManager final : public ClientService {
 public:
  struct Options {
    Network network;
    PublicKey server_key;
    /// As many peers as a kernel's WireGuard interface takes (peer.c).
    std::size_t max_clients = 1u << 20;
    Committer::Limits committer = {};
  };

  /// Loads the store and makes the tunnel hold every enabled client; ready when it returns. Errors: those of
  /// Store::load(); kInvalidArgument for the subnet; kCorrupt for two clients with one key, address or name. A tunnel
  /// that fails is no error: health() says so and it is retried. The references outlive the manager.
  static Result<std::unique_ptr<ClientManager>> start(const Options& options, Store& store, tunnel::Tunnel& tunnel,
                                                      const Clock& clock, const Post& post, const Delay& delay,
                                                      Logger& logger);

  /// Refuses further requests and commits those that were accepted; their answers have been posted when it returns.
  void stop() { committer_.stop(); }

  void create(NewClient request, ClientCallback done) override;
  void remove(const PublicKey& key, StatusCallback done) override;
  void set_enabled(const PublicKey& key, bool enabled, StatusCallback done) override;
  const Client* find(const PublicKey& key) const override { return clients_.find(key); }
  const Client* find_by_name(std::string_view name) const override { return clients_.find_by_name(name); }
  std::vector<const Client*> list() const override { return clients_.list(); }
  std::string obstacle(const Client& client) const override;
  Health health() const override;

 private:
  ClientManager(const Options& options, AddressPool pool, Store& store, tunnel::Tunnel& tunnel, const Clock& clock,
                const Post& post, const Delay& delay, Logger& logger);

  Status adopt(std::vector<Client> stored);
  Status check(const NewClient& request) const;
  Result<IpAddress> allocate_address();
  void abandon(const Client& client);
  void change(const PublicKey& key, Mutation mutation, StatusCallback done);

  void on_commit(Committer::Batch batch);
  void on_store_state(const Status& state);
  void apply(const InsertClient& insert);
  void apply(const RemoveClient& remove);
  void apply(const SetClientEnabled& set);

  bool is_served(const Client& client) const { return client.enabled && pool_.contains(client.address); }
  tunnel::Peer peer_of(const Client& client) const;
  std::vector<tunnel::Peer> wanted_peers() const;
  tunnel::Delta delta_of(std::vector<PublicKey> changed) const;

  const Network network_;
  const PublicKey server_key_;
  const std::size_t max_clients_;
  const Clock& clock_;
  Logger& logger_;

  AddressPool pool_;
  ClientTable clients_;  // what the store holds
  // Keys and names of creations on their way to the store, so that of two for one key the first wins.
  std::unordered_set<PublicKey> pending_keys_;
  std::unordered_set<std::string> pending_names_;
  Status store_state_;

  Reconciler reconciler_;
  Committer committer_;  // last: its thread ends before the rest goes
};

}  // namespace vpn::control
