// The clients (client_service.h), kept in memory, in the store and in the tunnel, in this order:
//
//     request -> checks against memory -> committer (store) -> memory -> reconciler (tunnel) -> answer
//
// What other replicas change in a shared store comes the same way from the committer on. There memory is only what was
// heard last, so whether a client exists is the store's to say; alone, memory knows.
//
// Lives on the control strand. Owned by main.cc, which destroys it when the strand has ended.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/key.h"
#include "base/log.h"
#include "base/random.h"
#include "control/service/address_pool.h"
#include "control/service/client_service.h"
#include "control/service/committer.h"
#include "control/service/reconciler.h"
#include "control/service/roster.h"
#include "control/service/strand.h"
#include "control/store/store.h"
#include "tunnel/tunnel.h"

namespace vpn::control {

class ClientManager final : public ClientService {
 public:
  struct Options {
    Network network;
    /// The gateway's own. With `key_from_store` only a proposal: a shared store keeps the first replica's, and that one
    /// counts.
    PrivateKey private_key;
    bool key_from_store = false;
    /// As many peers as a kernel's WireGuard interface takes (peer.c).
    std::size_t max_clients = 1u << 20;
    Committer::Limits committer = {};

    /// Given the key that came from the store, before any client is in the tunnel. May be empty without
    /// `key_from_store`.
    std::function<Status(const PrivateKey&)> on_key = {};
    /// Called once: when the clients are known and the tunnel was told to hold the enabled ones; or with the error that
    /// waiting does not cure: of Store::load() and its like any but kUnavailable, or on_key's own.
    std::function<void(Status)> on_loaded = {};
  };

  /// Returns at once: the store is read on its own thread, for as long as that takes. kInvalidArgument for the subnet.
  /// A tunnel that fails is no error: health() says so and it is retried. The references outlive the manager; `random`
  /// is used on the strand.
  static Result<std::unique_ptr<ClientManager>> start(Options options, Store& store, tunnel::Tunnel& tunnel,
                                                      const Clock& clock, Random& random, const Post& post,
                                                      const Delay& delay, Logger& logger);

  /// Refuses further requests and commits those that were accepted; their answers have been posted when it returns.
  void stop() { committer_.stop(); }
  /// The same; false when the store has not let it end by then: the manager, and what it was given, must stay where
  /// they are.
  bool stop_by(std::chrono::steady_clock::time_point deadline) { return committer_.stop_by(deadline); }

  /// Somebody else changed the tunnel: the clients' peers are made again what they should be.
  void restore_tunnel();

  Status ready() const override;
  const PublicKey& server_key() const override { return server_key_; }
  void create(NewClient request, ClientCallback done) override;
  void remove(const PublicKey& key, StatusCallback done) override;
  void set_enabled(const PublicKey& key, bool enabled, StatusCallback done) override;
  const Client* find(const PublicKey& key) const override { return roster_.clients().find(key); }
  const Client* find_by_name(std::string_view name) const override { return roster_.clients().find_by_name(name); }
  std::vector<const Client*> list() const override { return roster_.clients().list(); }
  std::string obstacle(const Client& client) const override;
  Health health() const override;

 private:
  ClientManager(Options options, AddressPool pool, Store& store, tunnel::Tunnel& tunnel, const Clock& clock,
                Random& random, const Post& post, const Delay& delay, Logger& logger);

  // Requests.
  Status check(const NewClient& request) const;
  Result<IpAddress> begin_creation(const NewClient& request);
  Error no_address_left() const;
  Status create_at_another_address(InsertClient insert, Committer::Answer& answer);
  void change(const PublicKey& key, Mutation mutation, StatusCallback done);

  // What the store's thread posts.
  void on_server_key(const PrivateKey& key);
  void on_contents(Contents contents);
  void on_reading(Committer::Reading reading);
  void on_commit(Committer::Batch batch);
  void on_store_state(const Status& state);
  void apply(const Mutation& mutation, Roster::Keys& changed);
  Status refuse(const Mutation& mutation, Status status, Committer::Answer& answer, Roster::Keys& changed);
  void finish_loading(Status status);
  void keep_faults(std::vector<std::string> faults);
  void name_unserved() const;
  void note_unserved(const Roster::Keys& changed);

  bool is_served(const Client& client) const { return client.enabled && roster_.addresses().contains(client.address); }
  tunnel::Peer peer_of(const Client& client) const;
  std::vector<tunnel::Peer> wanted_peers() const;
  tunnel::Delta delta_of(Roster::Keys changed) const;

  const Options options_;
  const Network& network_ = options_.network;
  const bool shared_;  // other gateways use the store, too
  const Clock& clock_;
  Random& random_;
  const Delay delay_;
  Logger& logger_;

  PublicKey server_key_;
  Roster roster_;
  enum class Loading { kUnderWay, kDone, kFailed } loading_ = Loading::kUnderWay;
  Status store_state_;
  std::optional<WallTime> stale_since_;
  std::vector<std::string> faults_;  // of the store, the first kMaxFaultsTold,
  std::size_t fault_count_ = 0;      // and how many it has
  std::set<PublicKey> unserved_;     // clients with an obstacle()

  Reconciler reconciler_;
  Committer committer_;  // last: its thread ends before the rest goes
};

}  // namespace vpn::control
