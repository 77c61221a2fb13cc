#include "cli/store_transfer.h"

#include <algorithm>
#include <span>
#include <utility>

#include "control/service/client_table.h"
#include "engine/crypto/x25519.h"

namespace vpn::cli {
namespace {

using control::Client;
using control::ClientTable;

/// For a client that cannot be inserted. Its public key alone names it: a name may hold what a terminal obeys.
std::string describe_conflict(const Client& client, const std::string& why) {
  return "client " + to_string(client.public_key) + " (" + to_string(client.address) + "): " + why;
}

/// Of a store's or the table's refusal.
std::string what_is_taken(const Error& refusal) {
  if (refusal.field == "clientIP") return "its address belongs to another client there";
  if (refusal.field == "name") return "its name belongs to another client there";
  return "it is there already, since a moment ago";
}

std::string differences(const Client& ours, const Client& theirs) {
  const std::pair<const char*, bool> fields[] = {
      {"presharedKey", ours.preshared_key != theirs.preshared_key},
      {"clientIP", ours.address != theirs.address},
      {"allowedIPs", ours.allowed_ips != theirs.allowed_ips},
      {"name", ours.name != theirs.name},
      {"enabled", ours.enabled != theirs.enabled},
      {"createdAt", ours.created_at != theirs.created_at},
  };
  std::string names;
  for (const auto& [name, differs] : fields) {
    if (differs) names += (names.empty() ? "" : ", ") + std::string(name);
  }
  return "it is there with another " + names;
}

/// Sorts the snapshot's clients into those that are missing, those that are there, and conflicts.
std::vector<const Client*> find_missing(const Snapshot& snapshot, std::vector<Client> there, TransferReport& report) {
  ClientTable table;
  for (Client& client : there) (void)table.insert(std::move(client));  // a store's clients never meet
  std::vector<const Client*> missing;
  for (const Client& client : snapshot.clients) {
    if (const Client* same = table.find(client.public_key); same != nullptr) {
      if (*same == client) {
        ++report.present;
      } else {
        report.conflicts.push_back(describe_conflict(client, differences(client, *same)));
      }
    } else if (const Status free = table.insert(client); free) {
      missing.push_back(&client);
    } else {
      report.conflicts.push_back(describe_conflict(client, what_is_taken(free.error())));
    }
  }
  return missing;
}

/// Inserts a batch. An error when the store, not one client, was refused something.
Status insert(control::Store& store, std::span<const Client* const> batch, TransferReport& report) {
  std::vector<control::Mutation> mutations;
  mutations.reserve(batch.size());
  for (const Client* client : batch) mutations.emplace_back(control::InsertClient{*client});
  const std::vector<Status> statuses = store.commit(mutations);
  Status outcome;
  for (std::size_t i = 0; i < statuses.size(); ++i) {
    if (statuses[i]) {
      ++report.copied;
    } else if (statuses[i].error().code == ErrorCode::kAlreadyExists) {
      report.conflicts.push_back(describe_conflict(*batch[i], what_is_taken(statuses[i].error())));
    } else if (outcome) {
      outcome = statuses[i];
    }
  }
  return outcome;
}

Status bring_clients(std::span<const Client* const> missing, control::Store& store, const TransferOptions& options,
                     TransferReport& report) {
  for (std::size_t done = 0; done < missing.size();) {
    const auto batch = missing.subspan(done, std::min(kTransferBatch, missing.size() - done));
    if (Status inserted = insert(store, batch, report); !inserted) return inserted;
    done += batch.size();
    options.progress(done, missing.size());
  }
  return {};
}

bool is_same_key(const PrivateKey& a, const PrivateKey& b) {
  return engine::crypto::clamp(a) == engine::crypto::clamp(b);
}

Status bring_key(const Snapshot& snapshot, const ServerKey& target, bool dry_run, TransferReport& report) {
  if (!snapshot.server_key) return {};
  const PrivateKey& ours = *snapshot.server_key;
  Result<PrivateKey> theirs = target(PrivateKey());
  const bool is_missing = !theirs && theirs.error().code == ErrorCode::kNotFound;
  if (is_missing && !dry_run) theirs = target(ours);
  if (is_missing && (dry_run || (theirs && is_same_key(*theirs, ours)))) {
    report.key = KeyOutcome::kCopied;
    return {};
  }
  if (!theirs) return fail(theirs.error());
  report.key = is_same_key(*theirs, ours) ? KeyOutcome::kPresent : KeyOutcome::kDifferent;
  report.key_there = engine::crypto::derive_public_key(*theirs);
  return {};
}

}  // namespace

Result<Snapshot> take_snapshot(const StoreEnd& source) {
  auto contents = source.store->load();
  if (!contents) return fail(contents.error());
  Snapshot snapshot{std::move(contents->clients), std::move(contents->faults), std::nullopt};
  const Result<PrivateKey> key = source.server_key(PrivateKey());
  if (!key && key.error().code != ErrorCode::kNotFound) return fail(key.error());
  if (key) snapshot.server_key = *key;
  return snapshot;
}

Result<TransferReport> transfer(const Snapshot& snapshot, const StoreEnd& target, const TransferOptions& options) {
  auto contents = target.store ? target.store->load() : control::Contents();
  if (!contents && options.dry_run && contents.error().code == ErrorCode::kNotFound) contents = control::Contents();
  if (!contents) return fail(contents.error());
  TransferReport report;
  report.clients = snapshot.clients.size();
  const std::vector<const Client*> missing = find_missing(snapshot, std::move(contents->clients), report);

  // The key first: a gateway that starts meanwhile would make one of its own.
  Status done = bring_key(snapshot, target.server_key, options.dry_run, report);
  if (options.dry_run) {
    report.copied = missing.size();
  } else if (done) {
    done = bring_clients(missing, *target.store, options, report);
  }
  if (!done) report.failure = done.error();
  return report;
}

}  // namespace vpn::cli
