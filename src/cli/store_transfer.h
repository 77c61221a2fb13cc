// Moves clients, and the gateway's private key that they know, into a store.
//
// What is there stays as it is: only what is missing is added, so after any abort it is done again from the beginning,
// and what the first run brought is found there. One thread; blocks.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/key.h"
#include "control/model/client.h"
#include "control/store/store.h"

namespace vpn::cli {

/// The gateway's private key that is kept with a store. When there is none, `fresh` becomes it; an all-zero `fresh`
/// only looks: kNotFound. (control::SharedStore::server_key)
using ServerKey = std::function<Result<PrivateKey>(const PrivateKey& fresh)>;

struct StoreEnd {
  std::unique_ptr<control::Store> store;  ///< null: not made yet, and not to be
  ServerKey server_key;
};

/// All that moves.
struct Snapshot {
  std::vector<control::Client> clients;  ///< no two with one key, address or name
  std::vector<std::string> faults;       ///< what is stored and is no client, a line each
  std::optional<PrivateKey> server_key;  ///< none: it is not kept with the clients
};

/// Only reads.
Result<Snapshot> take_snapshot(const StoreEnd& source);

enum class KeyOutcome {
  kUnknown,    ///< the snapshot has none
  kCopied,     ///< or would be
  kPresent,    ///< was there already
  kDifferent,  ///< another one is there, and stays
};

struct TransferReport {
  std::size_t clients = 0;             ///< in the snapshot
  std::size_t copied = 0;              ///< or would be
  std::size_t present = 0;             ///< were there already, equal in every field
  std::vector<std::string> conflicts;  ///< a line for each that has no place: what of it is taken
  KeyOutcome key = KeyOutcome::kUnknown;
  PublicKey key_there;           ///< of kDifferent
  std::optional<Error> failure;  ///< why it ended before its end

  std::size_t left() const { return clients - copied - present - conflicts.size(); }
  bool complete() const { return left() == 0 && conflicts.empty() && key != KeyOutcome::kDifferent && !failure; }
};

struct TransferOptions {
  bool dry_run = false;  ///< the target is only read
  std::function<void(std::size_t done, std::size_t all)> progress = [](std::size_t, std::size_t) {};
};

/// How many clients are committed together.
constexpr std::size_t kTransferBatch = 1000;

/// Brings the key, then the clients. An error when the target could not be read, and so was not changed.
Result<TransferReport> transfer(const Snapshot& snapshot, const StoreEnd& target, const TransferOptions& options = {});

}  // namespace vpn::cli
