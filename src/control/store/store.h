// Where clients are kept. The store is the truth; everything else converges to it.
//
// A store is called from one thread at a time (the committer's own), may block, and answers each mutation of a batch by
// itself. What it answered with success is durable. store_contract_test.h is the contract, run on every implementation.
//
// A SharedStore is used by several gateways (replicas) at once. Of another's change, a ChangeFeed tells only which
// client it was: the one thread that commits then reads that client anew, so what it posts is in the order of what it
// saw, and an old message can never bring back a client that was removed since.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/key.h"
#include "control/model/client.h"

namespace vpn::control {

/// kAlreadyExists with field "publicKey", "clientIP" or "name" when another client holds that value.
struct InsertClient {
  Client client;
};
/// kNotFound when there is no such client.
struct RemoveClient {
  PublicKey public_key;
};
/// kNotFound when there is no such client. Setting what is set already succeeds.
struct SetClientEnabled {
  PublicKey public_key;
  bool enabled;
};
using Mutation = std::variant<InsertClient, RemoveClient, SetClientEnabled>;

/// What a store is opened for. One that is kRead is asked for load(), and for a server_key() that only looks; it stays
/// as it was found, and kNotFound says that there is none.
enum class Access { kReadWrite, kRead };

struct Contents {
  std::vector<Client> clients;  ///< no two with one key, address or name
  /// What is stored and is no client that we could serve, left as it is; a line each, for the administrator.
  std::vector<std::string> faults;
};

class SharedStore;

class Store {
 public:
  virtual ~Store() = default;

  /// This store when several gateways may use it at once, else null.
  virtual SharedStore* shared() { return nullptr; }

  /// For people: "sqlite at /var/lib/vpn-enabler/clients.db". Holds no password.
  virtual std::string description() const = 0;

  /// Every client. kCorrupt or kUnsupported for data that we cannot read rightly: never a silent empty start.
  /// kUnavailable when it may succeed later by itself; any other code (a wrong password, a missing right) needs a
  /// person, and the message names the setting.
  virtual Result<Contents> load() = 0;

  /// Applies each mutation in order, as if alone; one status each. The successful ones are durable, together, when it
  /// returns. When the commit itself fails, none is applied and every status says so (kUnavailable). (SharedStore
  /// says what this means where the answer was lost on its way.)
  virtual std::vector<Status> commit(std::span<const Mutation> mutations) = 0;

  /// Whether commit() would succeed now: writes durably, changes nothing. Asked after a failure until it succeeds, so
  /// that health recovers without waiting for somebody's request.
  virtual Status probe() = 0;

  /// Ends its connections, which may take as long as any call: so not left to the destructor by who must not wait.
  /// After the feed's end; nothing is called later.
  virtual void disconnect() {}
};

/// Clients that may have changed, by whomever: our own changes may be among them, and one may be told twice.
struct Changes {
  bool everything = false;  ///< which ones is not known
  std::vector<PublicKey> keys;
};

class ChangeFeed {
 public:
  virtual ~ChangeFeed() = default;

  /// Waits for changes, and returns a batch of them as soon as there is one; an empty batch means nothing. kUnavailable
  /// when the store is away, to be called again (it paces itself); what was missed meanwhile is told then. After a
  /// failure it returns as soon as the store is back, with an empty batch where nothing was missed. On a thread of its
  /// own, beside the store's.
  virtual Result<Changes> next() = 0;
  /// From any thread: ends a next() that waits, and every later one, within 1 s.
  virtual void stop() = 0;
};

/// How many keys a feed tells or a read() is asked for at once; of more, a feed says `everything`.
constexpr std::size_t kMaxChangedKeys = 1024;

class SharedStore : public Store {
 public:
  SharedStore* shared() final { return this; }

  // load(): kUnavailable while the store is away. commit(): when the store goes away in the middle, a mutation may have
  // been applied although its status is kUnavailable; before anything else succeeds, an insertion of that kind is taken
  // back, unless another replica has enabled or disabled the client meanwhile, and so answered for it. Addresses and
  // names are unique among replicas: kAlreadyExists is the answer to the loser.
  // kConflict, for a mutation that was not applied since others kept overtaking it.

  /// A feed that misses no change after its return. kUnavailable. The feed may outlive neither the store nor stop().
  virtual Result<std::unique_ptr<ChangeFeed>> follow() = 0;

  /// The clients with these keys (up to kMaxChangedKeys) as they are now, in this order; nullopt: there is none.
  /// Sees every change that any replica has acknowledged before the call.
  virtual Result<std::vector<std::optional<Client>>> read(std::span<const PublicKey> keys) = 0;

  /// The gateway's private key, kept beside the clients, so that each replica is the same server to a client. When
  /// there is none, `fresh` becomes it; of replicas that start together, the first one's wins. An all-zero
  /// `fresh` only looks: kNotFound when there is none.
  virtual Result<PrivateKey> server_key(const PrivateKey& fresh) = 0;
};

}  // namespace vpn::control
