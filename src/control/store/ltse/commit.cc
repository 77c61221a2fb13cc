// LtseStore::commit(): mutations become one bulk request, mostly; docs/adr/0005-ltse-uniqueness.md has the argument.
//
//   commit        begins by taking back what an earlier commit left unknown, then cuts the batch so that no two
//                 mutations of a part touch one key, address or name, since a bulk has no order between indices
//   run_pass      reads the documents to be changed; writes the clients with their reservations, the changes and the
//                 deletions in one bulk; judges the answers; undoes insertions that lost; releases reservations
//
// A mutation that lost a race is passed again, with what the others did before its eyes.
#include <algorithm>
#include <unordered_set>
#include <utility>
#include <variant>

#include "base/check.h"
#include "control/store/ltse/ltse_store.h"
#include "control/store/store_error.h"

namespace vpn::control {

using ltse::Claim;
using ltse::Deadline;
using ltse::DocumentId;
using ltse::StoredClient;
using ltse::Write;

struct LtseStore::Pass {
  struct Insertion {
    std::size_t mutation;
    const Client& client;
    Unsettled record;
    std::vector<std::size_t> writes;  ///< of the claims, in their order, and last of the document
  };
  struct Change {
    std::size_t mutation;
    PublicKey key;
    std::vector<std::size_t> writes;
    std::vector<Claim> released;
  };

  std::span<const Mutation> mutations;
  std::span<Status> statuses;
  std::vector<std::size_t> which;                         ///< of them are passed
  bool repeated = false;                                  ///< what is changed or removed was sent before
  bool absent = false;                                    ///< a client was not found
  std::vector<std::vector<StoredClient>> documents = {};  ///< for each of `which`, as read
  std::vector<Write> writes = {};
  std::vector<ltse::Written> written = {};
  std::vector<Insertion> insertions = {};
  std::vector<Change> changes = {};
  std::vector<std::size_t> again = {};
};

namespace {

constexpr std::string_view kNobodyId = "nobody";

const PublicKey& key_of(const Mutation& mutation) {
  if (const auto* insert = std::get_if<InsertClient>(&mutation)) return insert->client.public_key;
  if (const auto* remove = std::get_if<RemoveClient>(&mutation)) return remove->public_key;
  return std::get<SetClientEnabled>(mutation).public_key;
}

/// Up to where mutations go together: no two of one key, address or name.
std::size_t independent_prefix(std::span<const Mutation> mutations) {
  std::unordered_set<PublicKey> keys;
  std::unordered_set<std::string> values;
  for (std::size_t i = 0; i < mutations.size(); ++i) {
    const auto* insert = std::get_if<InsertClient>(&mutations[i]);
    bool alone = keys.insert(key_of(mutations[i])).second;
    if (insert != nullptr) {
      for (Claim& claim : ltse::claims_of(insert->client, {})) alone &= values.insert(std::move(claim.id)).second;
    }
    if (!alone) return i;
  }
  return mutations.size();
}

}  // namespace

std::vector<Status> LtseStore::commit(std::span<const Mutation> mutations) {
  CHECK(may_write_);
  std::vector<Status> statuses(mutations.size());
  if (mutations.empty()) return statuses;
  const Deadline deadline = std::chrono::steady_clock::now() + ltse::kCommitTime;
  Status state = prepare(deadline);
  if (state) state = settle(deadline);
  std::size_t done = 0;
  while (state && done < mutations.size()) {
    const std::size_t count = independent_prefix(mutations.subspan(done));
    state = commit_some(mutations.subspan(done, count), std::span(statuses).subspan(done, count), deadline);
    done += count;
  }
  if (!state) {
    std::fill(statuses.begin() + static_cast<std::ptrdiff_t>(done), statuses.end(),
              fail(ErrorCode::kUnavailable, state.error().message, state.error().field));
  }
  return statuses;
}

/// Independent mutations. An error means that those without an outcome have it for their status.
Status LtseStore::commit_some(std::span<const Mutation> mutations, std::span<Status> statuses, Deadline deadline) {
  std::vector<std::size_t> which(mutations.size());
  for (std::size_t i = 0; i < which.size(); ++i) which[i] = i;
  for (bool repeated = false; !which.empty(); repeated = true) {
    Pass pass{.mutations = mutations, .statuses = statuses, .which = std::move(which), .repeated = repeated};
    const Instant begun = clock_.now();
    Status passed = run_pass(pass, deadline);
    // A reservation is an orphan's when its client is not there after kOrphanAge: so an insertion that took long, a
    // suspended machine's too, must not count.
    if (passed && clock_.now() - begun > ltse::kCommitTime)
      passed = fail(ErrorCode::kUnavailable, "the LTSE is too slow");
    if (!passed) {
      const Failure unknown = fail(ErrorCode::kUnavailable, passed.error().message, passed.error().field);
      for (const std::size_t i : pass.which) statuses[i] = unknown;
      for (Pass::Insertion& insertion : pass.insertions) unsettled_.push_back(std::move(insertion.record));
      return unknown;
    }
    which = std::move(pass.again);
  }
  return {};
}

Status LtseStore::run_pass(Pass& pass, Deadline deadline) {
  if (Status read = read_documents(pass, deadline); !read) return read;
  pass.insertions.reserve(pass.which.size());
  for (std::size_t k = 0; k < pass.which.size(); ++k) {
    std::visit([&](const auto& mutation) { plan(pass, k, mutation); }, pass.mutations[pass.which[k]]);
  }
  // A get sees what may not be on the disk yet, or an old copy of a cluster that has split. A change after it proves
  // that what it saw is so: the deletion of a document that never is.
  if (pass.absent) {
    pass.writes.push_back({.kind = Write::Kind::kDelete, .document = {indices_.clients, std::string(kNobodyId)}});
  }
  if (pass.writes.empty()) return {};
  auto written = server_.write(pass.writes, deadline);
  if (!written) return fail(std::move(written).error());
  pass.written = std::move(*written);
  if (Status judged = judge_insertions(pass, deadline); !judged) return judged;
  if (Status undone = undo_refused(pass, deadline); !undone) return undone;
  finish_changes(pass, deadline);
  return {};
}

/// The documents of the clients to be changed, and the original's that an insertion might collide with: these have no
/// reservations, and another gateway may have removed them since they were loaded.
Status LtseStore::read_documents(Pass& pass, Deadline deadline) {
  std::vector<DocumentId> ids;
  std::vector<std::size_t> readers;
  const auto want = [&](std::size_t k, std::vector<std::string> names) {
    for (std::string& name : names) {
      ids.push_back({indices_.clients, std::move(name)});
      readers.push_back(k);
    }
  };
  for (std::size_t k = 0; k < pass.which.size(); ++k) {
    const Mutation& mutation = pass.mutations[pass.which[k]];
    if (const auto* insert = std::get_if<InsertClient>(&mutation)) {
      want(k, foreign_.of(insert->client.public_key));
      want(k, foreign_.at(insert->client.address));
      continue;
    }
    want(k, {ltse::document_id(key_of(mutation))});
    want(k, foreign_.of(key_of(mutation)));
  }
  pass.documents.resize(pass.which.size());
  auto found = server_.get(ids, deadline);
  if (!found) return fail(std::move(found).error());
  for (std::size_t n = 0; n < found->size(); ++n) {
    if (!(*found)[n]) continue;
    const Mutation& mutation = pass.mutations[pass.which[readers[n]]];
    std::vector<StoredClient>& documents = pass.documents[readers[n]];
    const ltse::Version version = (*found)[n]->version;
    auto stored = ltse::parse_client(std::move(*(*found)[n]));
    if (stored) {
      const bool may_concern = std::holds_alternative<InsertClient>(mutation);
      if (may_concern || stored->client.public_key == key_of(mutation)) documents.push_back(std::move(*stored));
    } else if (const auto* remove = std::get_if<RemoveClient>(&mutation);
               remove != nullptr && ids[n].id == ltse::document_id(remove->public_key)) {
      // Damaged, and in the way of this key: whatever it holds, it may be deleted.
      documents.push_back({.client = {}, .attempt = {}, .confirmed = true, .document = {ids[n].id, version, {}}});
    }
  }
  return reserve_unconfirmed(pass, deadline);
}

/// Who enables or disables a client for the first time answers for it, and the insertion that wrote it may not know how
/// it ended: so its reservations are there first. Where another has them, it has lost, and is about to be taken back.
Status LtseStore::reserve_unconfirmed(Pass& pass, Deadline deadline) {
  std::vector<std::vector<StoredClient>*> changed;
  std::vector<std::vector<Claim>> claims;  // of each unconfirmed document
  for (std::size_t k = 0; k < pass.which.size(); ++k) {
    if (!std::holds_alternative<SetClientEnabled>(pass.mutations[pass.which[k]])) continue;
    changed.push_back(&pass.documents[k]);
    for (const StoredClient& stored : pass.documents[k]) {
      if (!stored.confirmed) claims.push_back(ltse::claims_of(stored.client, stored.attempt));
    }
  }
  if (claims.empty()) return {};
  std::vector<Claim*> wanted;
  for (std::vector<Claim>& each : claims) {
    for (Claim& claim : each) wanted.push_back(&claim);
  }
  if (Status contended = reservations_.contend(wanted, deadline); !contended) return contended;
  auto next = claims.begin();
  for (std::vector<StoredClient>* documents : changed) {
    std::erase_if(*documents, [&](const StoredClient& stored) {
      if (stored.confirmed) return false;
      const std::vector<Claim>& its = *next++;
      return !std::all_of(its.begin(), its.end(), [](const Claim& claim) { return claim.held.has_value(); });
    });
  }
  return {};
}

void LtseStore::plan(Pass& pass, std::size_t k, const InsertClient& insert) {
  const Client& client = insert.client;
  const std::size_t mutation = pass.which[k];
  Status& status = pass.statuses[mutation];
  status = {};
  for (const StoredClient& original : pass.documents[k]) {
    const bool same_key = original.client.public_key == client.public_key;
    if (same_key || (status && original.client.address == client.address)) {
      status = fail(same_key ? client_exists(client.public_key) : address_taken(client.address));
    }
  }
  if (!status) return;

  const std::string attempt = ltse::new_attempt(random_);
  Pass::Insertion insertion{
      mutation,
      client,
      {client.public_key, ltse::document_id(client.public_key), attempt, ltse::claims_of(client, attempt)},
      {}};
  for (const Claim& claim : insertion.record.claims) {
    insertion.writes.push_back(pass.writes.size());
    pass.writes.push_back(reservations_.creation(claim));
  }
  insertion.writes.push_back(pass.writes.size());
  pass.writes.push_back({.kind = Write::Kind::kCreate,
                         .document = {indices_.clients, insertion.record.document},
                         .source = ltse::to_source(client, attempt)});
  pass.insertions.push_back(std::move(insertion));
}

/// All documents of the key, so that none of an original's duplicates comes up in its place.
void LtseStore::plan(Pass& pass, std::size_t k, const RemoveClient& remove) {
  const std::size_t mutation = pass.which[k];
  pass.statuses[mutation] = {};
  if (pass.documents[k].empty()) {
    // Gone since it was sent: by us, though the answer said otherwise, or by another at the same moment.
    if (pass.repeated) return;
    pass.statuses[mutation] = fail(client_not_found(remove.public_key));
    pass.absent = true;
    return;
  }
  Pass::Change change{mutation, remove.public_key, {}, {}};
  for (const StoredClient& stored : pass.documents[k]) {
    change.writes.push_back(pass.writes.size());
    pass.writes.push_back({.kind = Write::Kind::kDelete,
                           .document = {indices_.clients, stored.document.id},
                           .source = {},
                           .only_if = stored.document.version});
    tell_gone(pass.writes, stored.document.version.seq_no, remove.public_key);
    if (stored.attempt.empty()) continue;
    for (Claim& claim : ltse::claims_of(stored.client, stored.attempt)) change.released.push_back(std::move(claim));
  }
  pass.changes.push_back(std::move(change));
}

/// Enables the document that is served. Disables every one of the key, that one last, so that it stays the newest. It
/// is written also where nothing changes: what is answered is then on the disk, and confirmed.
void LtseStore::plan(Pass& pass, std::size_t k, const SetClientEnabled& set) {
  const std::size_t mutation = pass.which[k];
  std::vector<StoredClient>& documents = pass.documents[k];
  pass.statuses[mutation] = {};
  std::sort(documents.begin(), documents.end(), [this](const StoredClient& a, const StoredClient& b) {
    return is_hidden(a) != is_hidden(b) ? is_hidden(a) : ltse::precedes(b, a);
  });
  if (documents.empty() || is_hidden(documents.back())) {
    pass.statuses[mutation] = fail(client_not_found(set.public_key));
    pass.absent = true;
    return;
  }
  Pass::Change change{mutation, set.public_key, {}, {}};
  for (const StoredClient& stored : documents) {
    const bool served = &stored == &documents.back();
    if (!served && (set.enabled || !stored.client.enabled)) continue;
    boost::json::object source = stored.document.source;
    source["enabled"] = set.enabled;
    if (!stored.confirmed) source["confirmed"] = true;
    change.writes.push_back(pass.writes.size());
    pass.writes.push_back({.kind = Write::Kind::kReplace,
                           .document = {indices_.clients, stored.document.id},
                           .source = std::move(source),
                           .only_if = stored.document.version});
    tell_gone(pass.writes, stored.document.version.seq_no, set.public_key);
  }
  pass.changes.push_back(std::move(change));
}

/// Gives each insertion its status: it holds its document, its address and its name, or which of them it lacks.
Status LtseStore::judge_insertions(Pass& pass, Deadline deadline) {
  std::vector<DocumentId> existing;
  std::vector<Pass::Insertion*> beaten;
  std::vector<Claim*> refused;
  for (Pass::Insertion& insertion : pass.insertions) {
    for (std::size_t c = 0; c < insertion.record.claims.size(); ++c) {
      const ltse::Written& written = pass.written[insertion.writes[c]];
      Claim& claim = insertion.record.claims[c];
      if (written.done()) claim.held = written.version;
      if (!written.done()) refused.push_back(&claim);
    }
    if (pass.written[insertion.writes.back()].done()) continue;
    existing.push_back({indices_.clients, insertion.record.document});
    beaten.push_back(&insertion);
  }
  if (!refused.empty()) {
    if (Status contended = reservations_.contend(refused, deadline); !contended) return contended;
  }
  // Our own document is there already when the request was repeated after a 503 that had done it.
  const auto documents = server_.get(existing, deadline);
  if (!documents) return fail(documents.error());
  for (std::size_t n = 0; n < beaten.size(); ++n) {
    const auto& document = (*documents)[n];
    const bool ours = document && ltse::text_member(document->source, "attempt") == beaten[n]->record.attempt;
    if (!ours) pass.statuses[beaten[n]->mutation] = fail(client_exists(beaten[n]->client.public_key));
    beaten[n]->record.lost = !ours;
  }

  bool after_removal = std::any_of(pass.changes.begin(), pass.changes.end(),
                                   [](const Pass::Change& change) { return !change.released.empty(); });
  for (Pass::Insertion& insertion : pass.insertions) {
    if (insertion.record.lost) continue;
    Status& status = pass.statuses[insertion.mutation];
    status = {};
    for (const Claim& claim : insertion.record.claims) {
      if (claim.held) continue;
      insertion.record.lost = true;
      status = fail(claim.kind == Claim::Kind::kAddress ? address_taken(insertion.client.address)
                                                        : name_taken(insertion.client.name));
      break;
    }
    // The value may be that of a client which this very pass removes.
    if (insertion.record.lost && after_removal) pass.again.push_back(insertion.mutation);
  }
  return {};
}

/// What insertions that lost have written goes away before they are answered.
Status LtseStore::undo_refused(Pass& pass, Deadline deadline) {
  for (const Pass::Insertion& insertion : pass.insertions) {
    if (insertion.record.lost) unsettled_.push_back(insertion.record);
  }
  return settle(deadline);
}

/// A change that lost a race is passed again. Reservations of removed clients are released; one that is left over is
/// an orphan, which anybody who wants it takes. In the same request the other gateways are told what is gone: a number
/// that is not told costs them a look at everything, and no more.
void LtseStore::finish_changes(Pass& pass, Deadline deadline) {
  std::vector<Claim> released;
  std::vector<Write> told;
  if (pass.absent) tell_gone(told, pass.written.back().version.seq_no, PublicKey());
  for (const Pass::Change& change : pass.changes) {
    for (const std::size_t i : change.writes) {
      const bool deleted = pass.writes[i].kind == Write::Kind::kDelete && pass.written[i].done();
      if (deleted) tell_gone(told, pass.written[i].version.seq_no, change.key);
    }
    const bool done =
        std::all_of(change.writes.begin(), change.writes.end(), [&](std::size_t i) { return pass.written[i].done(); });
    if (!done) {
      pass.again.push_back(change.mutation);
    } else {
      released.insert(released.end(), change.released.begin(), change.released.end());
    }
  }
  if (!released.empty() || !told.empty()) (void)reservations_.release(released, std::move(told), deadline);
}

}  // namespace vpn::control
