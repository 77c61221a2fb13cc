#include "control/service/client_manager.h"

#include <malloc.h>

#include <algorithm>
#include <utility>
#include <variant>

#include "base/check.h"
#include "control/model/client_name.h"
#include "control/store/store_error.h"
#include "engine/crypto/x25519.h"

namespace vpn::control {
namespace {

/// Bit 255 is no part of the point (RFC 7748 section 5: decodeUCoordinate).
bool is_same_point(PublicKey a, PublicKey b) {
  a.bytes[31] |= 0x80;
  b.bytes[31] |= 0x80;
  return a == b;
}

/// Clients that are not served, and faults of the store, that are named in the log; of the others only their number is
/// told.
constexpr std::size_t kMaxNamed = 10;

/// Addresses that a creation asks the store for, when replicas that do not hear of each other are at it.
constexpr std::size_t kMaxAddresses = 16;
/// How long an address that another replica was faster to take stays out of use. A change is heard of within 3 s;
/// should the client be gone by then, nobody tells us its address.
constexpr std::chrono::seconds kRefusedAddressTime{10};

/// The prefix that holds this address alone.
IpPrefix whole(const IpAddress& address) {
  return {address, static_cast<std::uint8_t>(address.bit_count())};
}

bool is_taken_address(const Status& status) {
  return !status && status.error().code == ErrorCode::kAlreadyExists && status.error().field == "clientIP";
}

}  // namespace

Result<std::unique_ptr<ClientManager>> ClientManager::start(Options options, Store& store, tunnel::Tunnel& tunnel,
                                                            const Clock& clock, Random& random, const Post& post,
                                                            const Delay& delay, Logger& logger) {
  auto pool = AddressPool::create(options.network.gateway);
  if (!pool) return fail(std::move(pool).error());
  return std::unique_ptr<ClientManager>(
      new ClientManager(std::move(options), std::move(*pool), store, tunnel, clock, random, post, delay, logger));
}

ClientManager::ClientManager(Options options, AddressPool pool, Store& store, tunnel::Tunnel& tunnel,
                             const Clock& clock, Random& random, const Post& post, const Delay& delay, Logger& logger)
    : options_(std::move(options)),
      shared_(store.shared() != nullptr),
      clock_(clock),
      random_(random),
      delay_(delay),
      logger_(logger),
      server_key_(engine::crypto::derive_public_key(options_.private_key)),
      roster_(std::move(pool)),
      reconciler_(
          tunnel, [this] { return wanted_peers(); }, delay, logger),
      committer_(store, options_.key_from_store ? std::optional(options_.private_key) : std::nullopt, post,
                 {.on_commit = [this](Committer::Batch batch) { on_commit(std::move(batch)); },
                  .on_contents = [this](Contents contents) { on_contents(std::move(contents)); },
                  .on_reading = [this](Committer::Reading reading) { on_reading(std::move(reading)); },
                  .on_server_key = [this](const PrivateKey& key) { on_server_key(key); },
                  .on_store_state = [this](const Status& state) { on_store_state(state); }},
                 options_.committer) {}

// --- Requests ---

Status ClientManager::ready() const {
  if (loading_ == Loading::kDone) return {};
  return fail(ErrorCode::kUnavailable,
              "The clients are not loaded yet" + (store_state_ ? std::string() : ": " + store_state_.error().message));
}

void ClientManager::create(NewClient request, ClientCallback done) {
  if (Status fit = check(request); !fit) return done(fail(std::move(fit).error()));
  const Result<IpAddress> address = begin_creation(request);
  if (!address) return done(fail(address.error()));
  const Client client{.public_key = request.public_key,
                      .preshared_key = std::move(request.preshared_key),
                      .address = *address,
                      .allowed_ips = network_.allowed_ips,
                      .name = std::move(request.name),
                      .enabled = true,
                      .created_at = clock_.wall_now()};

  const auto answer = [done](const Mutation& mutation, Status status) {
    if (!status) return done(fail(std::move(status).error()));
    done(std::get<InsertClient>(mutation).client);
  };
  if (Status queued = committer_.submit(InsertClient{client}, answer); !queued) {
    roster_.end(client);
    done(fail(std::move(queued).error()));
  }
}

Status ClientManager::check(const NewClient& request) const {
  if (Status known = ready(); !known) return known;
  const PublicKey& key = request.public_key;
  const auto unfit = [](std::string_view fault) {
    return fail(ErrorCode::kInvalidArgument, "publicKey " + std::string(fault), "publicKey");
  };
  if (key.is_zero()) return unfit("is all zeros");
  if (is_same_point(key, server_key_)) return unfit("is the server's own");
  if (engine::crypto::is_low_order(key)) return unfit("is a point of low order, which keeps no secret");
  if (Status fit = check_client_name(request.name); !fit) return fit;
  if (roster_.is_pending(key) || (!shared_ && find(key) != nullptr)) return fail(client_exists(key));
  if (roster_.is_pending_name(request.name) || (!shared_ && find_by_name(request.name) != nullptr)) {
    return fail(name_taken(request.name));
  }
  return {};
}

Result<IpAddress> ClientManager::begin_creation(const NewClient& request) {
  if (roster_.clients().size() + roster_.pending_count() >= options_.max_clients) {
    return fail(ErrorCode::kExhausted, "Maximum number of clients reached. The gateway holds " +
                                           std::to_string(options_.max_clients) + " clients");
  }
  const auto address = roster_.begin(request.public_key, request.name, random_);
  if (!address) return fail(no_address_left());
  return *address;
}

Error ClientManager::no_address_left() const {
  return {ErrorCode::kExhausted, "Maximum number of clients reached. The subnet " +
                                     to_string(network_.gateway.masked()) + " holds " +
                                     std::to_string(roster_.addresses().capacity()) + " clients"};
}

void ClientManager::remove(const PublicKey& key, StatusCallback done) {
  change(key, RemoveClient{key}, std::move(done));
}

void ClientManager::set_enabled(const PublicKey& key, bool enabled, StatusCallback done) {
  const Client* client = find(key);
  if (enabled && client != nullptr && !roster_.addresses().contains(client->address)) {
    return done(fail(ErrorCode::kConflict, "Client with public key " + to_string(key) + " cannot be served: " +
                                               obstacle(*client) + ". Delete it and create it anew for another"));
  }
  change(key, SetClientEnabled{key, enabled}, std::move(done));
}

/// A client whose creation is on its way may be changed: the store commits in order.
void ClientManager::change(const PublicKey& key, Mutation mutation, StatusCallback done) {
  if (Status known = ready(); !known) return done(std::move(known));
  if (!shared_ && find(key) == nullptr && !roster_.is_pending(key)) return done(fail(client_not_found(key)));
  const auto answer = [done](const Mutation&, Status status) { done(std::move(status)); };
  if (Status queued = committer_.submit(std::move(mutation), answer); !queued) done(std::move(queued));
}

void ClientManager::restore_tunnel() {
  if (loading_ == Loading::kDone) reconciler_.restore();
}

// --- What the store's thread posts. Each message is newer than those before it. ---

void ClientManager::on_commit(Committer::Batch batch) {
  Roster::Keys changed;
  for (std::size_t i = 0; i < batch.mutations.size(); ++i) {
    Status& status = batch.statuses[i];
    if (status) {
      apply(batch.mutations[i], changed);
    } else {
      status = refuse(batch.mutations[i], std::move(status), batch.answers[i], changed);
    }
  }
  note_unserved(changed);
  reconciler_.apply(delta_of(std::move(changed)));
  for (std::size_t i = 0; i < batch.answers.size(); ++i) {
    if (batch.answers[i]) batch.answers[i](batch.mutations[i], std::move(batch.statuses[i]));
  }
}

/// A client that memory does not know was made by another replica; the feed tells of it.
void ClientManager::apply(const Mutation& mutation, Roster::Keys& changed) {
  if (const auto* insert = std::get_if<InsertClient>(&mutation)) {
    roster_.put(insert->client, changed);
    roster_.end(insert->client);
  } else if (const auto* removal = std::get_if<RemoveClient>(&mutation)) {
    roster_.erase(removal->public_key, changed);
  } else if (const auto* set = std::get_if<SetClientEnabled>(&mutation)) {
    const Client* known = find(set->public_key);
    if (known == nullptr) return;
    Client client = *known;
    client.enabled = set->enabled;
    roster_.put(std::move(client), changed);
    changed.push_back(set->public_key);  // also when it was so: the tunnel may hold something else
  }
}

/// What the caller is to hear. Takes away the answer of a creation that tries another address.
Status ClientManager::refuse(const Mutation& mutation, Status status, Committer::Answer& answer,
                             Roster::Keys& changed) {
  if (const auto* insert = std::get_if<InsertClient>(&mutation)) {
    if (is_taken_address(status)) return create_at_another_address(*insert, answer);
    roster_.end(insert->client);
  } else if (status.error().code == ErrorCode::kNotFound) {
    const auto* removal = std::get_if<RemoveClient>(&mutation);
    roster_.erase(removal != nullptr ? removal->public_key : std::get<SetClientEnabled>(mutation).public_key, changed);
  }
  return status;
}

/// Another replica's client, of which we have not heard, has the address.
Status ClientManager::create_at_another_address(InsertClient insert, Committer::Answer& answer) {
  Client& client = insert.client;
  delay_(kRefusedAddressTime, [this, refused = client.address] { roster_.forget(refused); });
  const auto address = roster_.begin_again(client, random_);
  if (address) client.address = *address;

  Status queued;
  if (!address) {
    queued = fail(no_address_left());
  } else if (roster_.refusals(client.public_key) >= kMaxAddresses) {
    queued = fail(ErrorCode::kUnavailable, "Other replicas took every address that was tried; try again");
  } else {
    queued = committer_.submit(insert, answer);
  }
  if (queued) {
    answer = nullptr;
  } else {
    roster_.end(client);
  }
  return queued;
}

void ClientManager::on_reading(Committer::Reading reading) {
  if (loading_ != Loading::kDone) return;
  Roster::Keys changed;
  for (std::size_t i = 0; i < reading.keys.size(); ++i) {
    if (auto& client = reading.clients[i]) {
      roster_.put(std::move(*client), changed);
    } else {
      roster_.erase(reading.keys[i], changed);
    }
  }
  note_unserved(changed);
  reconciler_.apply(delta_of(std::move(changed)));
}

void ClientManager::on_contents(Contents contents) {
  if (loading_ == Loading::kFailed) return;
  Roster::Keys changed;
  roster_.replace(std::move(contents.clients), changed);
  keep_faults(std::move(contents.faults));
  note_unserved(changed);
  if (loading_ == Loading::kDone) return reconciler_.apply(delta_of(std::move(changed)));

  name_unserved();
  reconciler_.converge();
  malloc_trim(0);  // every client was held three times for a moment: as stored, as wanted and as a delta
  finish_loading({});
}

void ClientManager::on_server_key(const PrivateKey& key) {
  server_key_ = engine::crypto::derive_public_key(key);
  if (Status taken = options_.on_key(key); !taken) finish_loading(std::move(taken));
}

void ClientManager::finish_loading(Status status) {
  if (loading_ != Loading::kUnderWay) return;
  loading_ = status ? Loading::kDone : Loading::kFailed;
  if (options_.on_loaded) options_.on_loaded(std::move(status));
}

void ClientManager::on_store_state(const Status& state) {
  const bool changed = state.has_value() != store_state_.has_value();
  store_state_ = state;
  if (!shared_ || state) {
    stale_since_.reset();
  } else if (changed) {
    stale_since_ = clock_.wall_now();
  }
  if (loading_ == Loading::kUnderWay && !state && state.error().code != ErrorCode::kUnavailable) {
    return finish_loading(state);
  }
  if (!changed) return;
  if (state) {
    logger_.info("the store works again");
  } else if (loading_ == Loading::kDone) {
    logger_.warn("the store fails; changes are refused until it works again", {{"error", state.error().message}});
  } else {
    logger_.warn("the store is away; waiting for it, no client is served yet", {{"error", state.error().message}});
  }
}

void ClientManager::keep_faults(std::vector<std::string> faults) {
  const std::size_t count = faults.size();
  if (count > kMaxFaultsTold) faults.resize(kMaxFaultsTold);
  if (faults == faults_ && count == fault_count_) return;
  faults_ = std::move(faults);
  fault_count_ = count;
  for (const std::string& fault : faults_)
    logger_.warn("stored data is left as it is and not served", {{"fault", fault}});
  if (count > kMaxFaultsTold) {
    logger_.warn("more stored data is not served", {{"count", std::to_string(count - kMaxFaultsTold)}});
  }
}

void ClientManager::note_unserved(const Roster::Keys& changed) {
  for (const PublicKey& key : changed) {
    const Client* client = find(key);
    if (client != nullptr && !roster_.addresses().contains(client->address)) {
      unserved_.insert(key);
    } else {
      unserved_.erase(key);
    }
  }
}

/// Clients whose address is not for clients in today's subnet are kept, for the day it is theirs again, but not served:
/// packets from outside the subnet would pass the rules that are made for it, and the gateway's own packets would go to
/// a client.
void ClientManager::name_unserved() const {
  std::size_t unserved = 0;
  for (const Client* client : list()) {
    if (roster_.addresses().contains(client->address) || ++unserved > kMaxNamed) continue;
    logger_.warn("a stored client is not served",
                 {{"public_key", to_string(client->public_key)}, {"reason", obstacle(*client)}});
  }
  if (unserved > kMaxNamed) {
    logger_.warn("more stored clients are not served", {{"count", std::to_string(unserved - kMaxNamed)}});
  }
}

Health ClientManager::health() const {
  Health health;
  if (const Status known = loading_ == Loading::kDone ? store_state_ : ready(); !known) {
    health.store_ok = false;
    health.store_detail = known.error().message;
  }
  health.stale_since = stale_since_;
  health.faults = faults_;
  for (auto key = unserved_.begin(); key != unserved_.end() && health.faults.size() < kMaxFaultsTold; ++key) {
    health.faults.push_back("client " + to_string(*key) + " is not served: " + obstacle(*find(*key)));
  }
  const std::size_t untold = fault_count_ + unserved_.size() - health.faults.size();
  if (untold != 0) health.faults.push_back("and " + std::to_string(untold) + " more");
  if (!reconciler_.state()) {
    health.tunnel_ok = false;
    health.tunnel_detail = reconciler_.state().error().message;
  }
  return health;
}

std::string ClientManager::obstacle(const Client& client) const {
  if (roster_.addresses().contains(client.address)) return {};
  const IpPrefix& gateway = network_.gateway;
  const std::string subnet = "the subnet " + to_string(gateway.masked());
  const std::string address = "its address " + to_string(client.address) + " is ";
  if (client.address == gateway.address) return address + "the gateway's own";
  if (gateway.contains(client.address)) return address + "no host's in " + subnet;
  return address + "outside " + subnet;
}

tunnel::Peer ClientManager::peer_of(const Client& client) const {
  tunnel::Peer peer{.public_key = client.public_key,
                    .preshared_key = client.preshared_key,
                    .allowed_ips = {whole(client.address)},
                    .persistent_keepalive_s = network_.persistent_keepalive_s};
  if (const auto ipv6 = network_.ipv6_of(client.address)) peer.allowed_ips.push_back(whole(*ipv6));
  return peer;
}

std::vector<tunnel::Peer> ClientManager::wanted_peers() const {
  std::vector<tunnel::Peer> peers;
  peers.reserve(roster_.clients().size());
  for (const Client* client : list()) {
    if (is_served(*client)) peers.push_back(peer_of(*client));
  }
  return peers;
}

tunnel::Delta ClientManager::delta_of(Roster::Keys changed) const {
  std::sort(changed.begin(), changed.end());
  changed.erase(std::unique(changed.begin(), changed.end()), changed.end());
  tunnel::Delta delta;
  for (const PublicKey& key : changed) {
    const Client* client = find(key);
    if (client != nullptr && is_served(*client)) {
      delta.set.push_back(peer_of(*client));
    } else {
      delta.remove.push_back(key);
    }
  }
  return delta;
}

}  // namespace vpn::control
