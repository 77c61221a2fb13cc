#include "control/service/client_manager.h"

#include <malloc.h>

#include <algorithm>
#include <type_traits>
#include <utility>
#include <variant>

#include "base/check.h"
#include "control/service/client_name.h"
#include "control/store/store_error.h"
#include "engine/crypto/x25519.h"

namespace vpn::control {
namespace {

/// Clients that are not served and are named in the log; of the others only their number is told.
constexpr std::size_t kMaxUnservedNamed = 10;

const PublicKey& key_of(const Mutation& mutation) {
  return std::visit(
      [](const auto& change) -> const PublicKey& {
        if constexpr (std::is_same_v<std::decay_t<decltype(change)>, InsertClient>) {
          return change.client.public_key;
        } else {
          return change.public_key;
        }
      },
      mutation);
}

}  // namespace

Result<std::unique_ptr<ClientManager>> ClientManager::start(const Options& options, Store& store,
                                                            tunnel::Tunnel& tunnel, const Clock& clock,
                                                            const Post& post, const Delay& delay, Logger& logger) {
  auto pool = AddressPool::create(options.network.gateway);
  if (!pool) return fail(std::move(pool).error());
  auto stored = store.load();
  if (!stored) return fail(std::move(stored).error());

  std::unique_ptr<ClientManager> manager(
      new ClientManager(options, std::move(*pool), store, tunnel, clock, post, delay, logger));
  if (Status adopted = manager->adopt(std::move(stored->clients)); !adopted) return fail(std::move(adopted).error());
  manager->reconciler_.converge();
  malloc_trim(0);  // every client was held three times for a moment: as stored, as wanted and as a delta
  return manager;
}

ClientManager::ClientManager(const Options& options, AddressPool pool, Store& store, tunnel::Tunnel& tunnel,
                             const Clock& clock, const Post& post, const Delay& delay, Logger& logger)
    : network_(options.network),
      server_key_(options.server_key),
      max_clients_(options.max_clients),
      clock_(clock),
      logger_(logger),
      pool_(std::move(pool)),
      reconciler_(
          tunnel, [this] { return wanted_peers(); }, delay, logger),
      committer_(store, post,
                 {.on_commit = [this](Committer::Batch batch) { on_commit(std::move(batch)); },
                  .on_store_state = [this](const Status& state) { on_store_state(state); }},
                 options.committer) {}

/// Clients whose address is not for clients in today's subnet are kept, for the day it is theirs again, but not served:
/// packets from outside the subnet would pass the rules that are made for it, and the gateway's own packets would go to
/// a client.
Status ClientManager::adopt(std::vector<Client> stored) {
  std::size_t unserved = 0;
  for (Client& client : stored) {
    if (!pool_.take(client.address) && !pool_.contains(client.address) && ++unserved <= kMaxUnservedNamed) {
      logger_.warn("a stored client is not served",
                   {{"public_key", to_string(client.public_key)}, {"reason", obstacle(client)}});
    }
    if (Status inserted = clients_.insert(std::move(client)); !inserted) {
      return fail(ErrorCode::kCorrupt, "the store holds one client twice: " + inserted.error().message);
    }
  }
  if (unserved > kMaxUnservedNamed) {
    logger_.warn("more stored clients are not served", {{"count", std::to_string(unserved - kMaxUnservedNamed)}});
  }
  return {};
}

void ClientManager::create(NewClient request, ClientCallback done) {
  if (Status fit = check(request); !fit) return done(fail(std::move(fit).error()));
  const Result<IpAddress> address = allocate_address();
  if (!address) return done(fail(address.error()));
  const Client client{.public_key = request.public_key,
                      .preshared_key = std::move(request.preshared_key),
                      .address = *address,
                      .allowed_ips = network_.allowed_ips,
                      .name = std::move(request.name),
                      .enabled = true,
                      .created_at = clock_.wall_now()};
  pending_keys_.insert(client.public_key);
  if (!client.name.empty()) pending_names_.insert(client.name);

  const auto answer = [client, done](const Status& status) {
    done(status ? Result<Client>(client) : Result<Client>(fail(status.error())));
  };
  if (Status queued = committer_.submit(InsertClient{client}, answer); !queued) {
    abandon(client);
    answer(queued);
  }
}

Status ClientManager::check(const NewClient& request) const {
  const PublicKey& key = request.public_key;
  const auto unfit = [](std::string_view fault) {
    return fail(ErrorCode::kInvalidArgument, "publicKey " + std::string(fault), "publicKey");
  };
  if (key.is_zero()) return unfit("is all zeros");
  if (key == server_key_) return unfit("is the server's own");
  if (engine::crypto::is_low_order(key)) return unfit("is a point of low order, which keeps no secret");
  if (Status fit = check_client_name(request.name); !fit) return fit;
  if (clients_.find(key) != nullptr || pending_keys_.contains(key)) return fail(client_exists(key));
  if (clients_.find_by_name(request.name) != nullptr || pending_names_.contains(request.name)) {
    return fail(name_taken(request.name));
  }
  return {};
}

Result<IpAddress> ClientManager::allocate_address() {
  if (clients_.size() + pending_keys_.size() >= max_clients_) {
    return fail(ErrorCode::kExhausted,
                "Maximum number of clients reached. The gateway holds " + std::to_string(max_clients_) + " clients");
  }
  const auto address = pool_.allocate();
  if (!address) {
    return fail(ErrorCode::kExhausted, "Maximum number of clients reached. The subnet " +
                                           to_string(network_.gateway.masked()) + " holds " +
                                           std::to_string(pool_.capacity()) + " clients");
  }
  return *address;
}

/// Gives back what create() reserved.
void ClientManager::abandon(const Client& client) {
  pending_keys_.erase(client.public_key);
  pending_names_.erase(client.name);
  pool_.release(client.address);
}

void ClientManager::remove(const PublicKey& key, StatusCallback done) {
  change(key, RemoveClient{key}, std::move(done));
}

void ClientManager::set_enabled(const PublicKey& key, bool enabled, StatusCallback done) {
  const Client* client = clients_.find(key);
  if (enabled && client != nullptr && !pool_.contains(client->address)) {
    return done(fail(ErrorCode::kConflict, "Client with public key " + to_string(key) + " cannot be served: " +
                                               obstacle(*client) + ". Delete it and create it anew for another"));
  }
  change(key, SetClientEnabled{key, enabled}, std::move(done));
}

/// A client whose creation is on its way may be changed: the store commits in order.
void ClientManager::change(const PublicKey& key, Mutation mutation, StatusCallback done) {
  if (clients_.find(key) == nullptr && !pending_keys_.contains(key)) return done(fail(client_not_found(key)));
  if (Status queued = committer_.submit(std::move(mutation), done); !queued) done(std::move(queued));
}

void ClientManager::on_commit(Committer::Batch batch) {
  std::vector<PublicKey> changed;
  for (std::size_t i = 0; i < batch.mutations.size(); ++i) {
    const Mutation& mutation = batch.mutations[i];
    if (batch.statuses[i]) {
      std::visit([this](const auto& change) { apply(change); }, mutation);
      changed.push_back(key_of(mutation));
    } else if (const auto* insert = std::get_if<InsertClient>(&mutation)) {
      abandon(insert->client);
    }
  }
  reconciler_.apply(delta_of(std::move(changed)));
  for (std::size_t i = 0; i < batch.answers.size(); ++i) batch.answers[i](std::move(batch.statuses[i]));
}

void ClientManager::apply(const InsertClient& insert) {
  pending_keys_.erase(insert.client.public_key);
  pending_names_.erase(insert.client.name);
  CHECK(clients_.insert(insert.client));
}

void ClientManager::apply(const RemoveClient& remove) {
  const Client* client = clients_.find(remove.public_key);
  CHECK(client != nullptr);
  if (pool_.contains(client->address)) pool_.release(client->address);
  clients_.erase(remove.public_key);
}

void ClientManager::apply(const SetClientEnabled& set) {
  Client* client = clients_.find(set.public_key);
  CHECK(client != nullptr);
  client->enabled = set.enabled;
}

void ClientManager::on_store_state(const Status& state) {
  if (state) {
    logger_.info("the store can be written again");
  } else {
    logger_.warn("the store cannot be written; changes are refused until it can", {{"error", state.error().message}});
  }
  store_state_ = state;
}

Health ClientManager::health() const {
  Health health;
  health.store_ok = store_state_.has_value();
  if (!store_state_) health.store_detail = store_state_.error().message;
  health.tunnel_ok = reconciler_.state().has_value();
  if (!reconciler_.state()) health.tunnel_detail = reconciler_.state().error().message;
  return health;
}

std::string ClientManager::obstacle(const Client& client) const {
  if (pool_.contains(client.address)) return {};
  const IpPrefix& gateway = network_.gateway;
  const std::string subnet = "the subnet " + to_string(gateway.masked());
  const std::string address = "its address " + to_string(client.address) + " is ";
  if (client.address == gateway.address) return address + "the gateway's own";
  if (gateway.contains(client.address)) return address + "no host's in " + subnet;
  return address + "outside " + subnet;
}

tunnel::Peer ClientManager::peer_of(const Client& client) const {
  return {.public_key = client.public_key,
          .preshared_key = client.preshared_key,
          .allowed_ips = {{client.address, static_cast<std::uint8_t>(client.address.bit_count())}},
          .persistent_keepalive_s = network_.persistent_keepalive_s};
}

std::vector<tunnel::Peer> ClientManager::wanted_peers() const {
  std::vector<tunnel::Peer> peers;
  peers.reserve(clients_.size());
  for (const Client* client : clients_.list()) {
    if (is_served(*client)) peers.push_back(peer_of(*client));
  }
  return peers;
}

tunnel::Delta ClientManager::delta_of(std::vector<PublicKey> changed) const {
  std::sort(changed.begin(), changed.end());
  changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
  tunnel::Delta delta;
  for (const PublicKey& key : changed) {
    const Client* client = clients_.find(key);
    if (client != nullptr && is_served(*client)) {
      delta.set.push_back(peer_of(*client));
    } else {
      delta.remove.push_back(key);
    }
  }
  return delta;
}

}  // namespace vpn::control
