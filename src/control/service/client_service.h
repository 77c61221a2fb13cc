// The clients: what may be asked of them, and the order in which it happens.
//
// A request validates against memory, commits to the store, then the reconciler applies the difference to the tunnel,
// then the caller is answered. Every method and every callback runs on the control strand; the store has a thread of
// its own behind the committer, where requests that arrive together share one commit.
//
// Until the store has been read for the first time every request is kUnavailable, and what is found or listed means
// nothing: ready() says so.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "base/key.h"
#include "control/model/client.h"
#include "control/model/network.h"

namespace vpn::control {

struct NewClient {
  PublicKey public_key;
  std::optional<PresharedKey> preshared_key;
  std::string name;  ///< empty: none
};

constexpr std::size_t kMaxFaultsTold = 10;

struct Health {
  bool store_ok = true;
  std::string store_detail;  ///< the last failure, in words without secrets
  /// Since when what is read may be older than what a shared store holds; nothing when it is not.
  std::optional<WallTime> stale_since;
  /// What is stored and cannot be served, a line each; of more than kMaxFaultsTold the last line tells how many.
  std::vector<std::string> faults;
  bool tunnel_ok = true;
  std::string tunnel_detail;
  bool ok() const { return store_ok && tunnel_ok; }
};

/// The interface that the API and its tests see; ClientManager (client_manager.h) is the implementation.
class ClientService {
 public:
  using ClientCallback = std::function<void(Result<Client>)>;
  using StatusCallback = std::function<void(Status)>;

  virtual ~ClientService() = default;

  /// Success once the clients are known; kUnavailable, with the reason, before.
  virtual Status ready() const = 0;
  /// Of the gateway itself. Once ready.
  virtual const PublicKey& server_key() const = 0;

  /// Errors: kInvalidArgument (field publicKey: zero, the server's own, low order; field name), kAlreadyExists (field
  /// publicKey or name), kExhausted (no address left; the message says how many clients the subnet holds),
  /// kUnavailable. The callback is called exactly once, perhaps before create() returns.
  virtual void create(NewClient request, ClientCallback done) = 0;
  /// kNotFound, kUnavailable.
  virtual void remove(const PublicKey& key, StatusCallback done) = 0;
  /// kNotFound, kUnavailable; kConflict for enabling one that has an obstacle(). Repeating is no error. A disabled
  /// client keeps its address.
  virtual void set_enabled(const PublicKey& key, bool enabled, StatusCallback done) = 0;

  /// By public key or name; null when unknown. Valid until the strand is left.
  virtual const Client* find(const PublicKey& key) const = 0;
  virtual const Client* find_by_name(std::string_view name) const = 0;
  /// In order of address.
  virtual std::vector<const Client*> list() const = 0;
  /// Why a client is not served even when it is enabled, "its address 10.0.0.9 is outside the subnet 192.168.2.0/24";
  /// empty when nothing stands in its way.
  virtual std::string obstacle(const Client& client) const = 0;
  virtual Health health() const = 0;
};

}  // namespace vpn::control
