// Where clients are kept. The store is the truth; everything else converges to it.
//
// A store is called from one thread at a time (the committer's own), may block, and answers each mutation of a batch by
// itself. What it answered with success is durable. store_contract_test.h is the contract, run on every implementation.
#pragma once

#include <memory>
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

class Store {
 public:
  virtual ~Store() = default;

  /// For people: "sqlite at /var/lib/vpn-enabler/clients.db". Holds no password.
  virtual std::string description() const = 0;

  /// Every client. kCorrupt or kUnsupported for a file that we cannot read rightly: never a silent empty start.
  virtual Result<std::vector<Client>> load() = 0;

  /// Applies each mutation in order, as if alone; one status each. The successful ones are durable, together, when it
  /// returns. When the commit itself fails, none is applied and every status says so (kUnavailable).
  virtual std::vector<Status> commit(std::span<const Mutation> mutations) = 0;

  /// Whether commit() would succeed now: writes durably, changes nothing. Asked after a failure until it succeeds, so
  /// that health recovers without waiting for somebody's request.
  virtual Status probe() = 0;
};

}  // namespace vpn::control
