#include "control/store/ltse/ltse_store.h"

#include <algorithm>
#include <boost/json/object.hpp>
#include <unordered_map>
#include <utility>

#include "base/secret.h"
#include "control/store/ltse/gone_numbers.h"
#include "control/store/ltse/ltse_feed.h"

namespace vpn::control {
namespace {

namespace json = boost::json;
using ltse::Deadline;
using ltse::DocumentId;
using ltse::StoredClient;
using ltse::Write;

constexpr std::chrono::seconds kReadTime{5};
/// Making an index waits for the cluster.
constexpr std::chrono::seconds kLoadTime{30};
constexpr std::string_view kGatewaySuffix = "-gateway";
/// Elasticsearch's limit, in bytes, for our longer name.
constexpr std::size_t kMaxIndexName = 255;
/// Attempts remembered, to take back a request that arrives after we gave it up.
constexpr std::size_t kMaxRefused = 8192;
/// How often taking back is begun anew because somebody changed the document meanwhile.
constexpr int kSettleTries = 3;
constexpr std::string_view kServerKeyId = "server key";
constexpr std::string_view kProbeId = "probe";

Deadline in(std::chrono::seconds time) {
  return std::chrono::steady_clock::now() + time;
}

/// Elasticsearch's rules (create index API).
Status check_index_name(const std::string& name) {
  const auto bad = [](const std::string& fault) {
    return fail(ErrorCode::kInvalidArgument, "LTSE_INDEX " + fault + "; for example vpn-enabler", "LTSE_INDEX");
  };
  if (name.empty()) return bad("is empty");
  if (name.size() + kGatewaySuffix.size() > kMaxIndexName) return bad("is too long");
  if (name.find_first_of("-_+.") == 0) return bad("may not begin with -, _, + or .");
  const bool fit = std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  });
  if (!fit) return bad("may hold lowercase letters, digits, -, _ and . alone");
  return {};
}

/// One shard: its numbers then count every change. A copy as soon as there is a second node to hold it.
json::object settings() {
  return {{"index", {{"number_of_shards", 1}, {"auto_expand_replicas", "0-1"}}}};
}

/// Keywords, as the original asks for `clientPublicKey.keyword`; what is not asked for is not indexed.
json::object clients_definition() {
  const json::object keyword{{"type", "keyword"}};
  const json::object key{{"type", "keyword"}, {"fields", {{"keyword", keyword}}}};
  const json::object silent{{"type", "keyword"}, {"index", false}, {"doc_values", false}};
  return {{"settings", settings()},
          {"mappings",
           {{"dynamic", false},
            {"properties",
             {{"clientPublicKey", key},
              {"presharedKey", silent},
              {"clientIP", {{"type", "long"}}},
              {"allowedIPs", silent},
              {"enabled", {{"type", "boolean"}}},
              {"name", keyword},
              {"createdAt", {{"type", "long"}}},
              {"attempt", silent}}}}}};
}

/// Its documents are found by `_id` alone.
json::object gateway_definition() {
  return {{"settings", settings()}, {"mappings", {{"dynamic", false}}}};
}

bool is_foreign(const StoredClient& stored) {
  return stored.document.id != ltse::document_id(stored.client.public_key);
}

}  // namespace

Result<std::unique_ptr<LtseStore>> LtseStore::create(const LtseOptions& options, const Clock& clock, Random& random,
                                                     Logger& logger) {
  auto server = ltse::parse_server_url(options.url);
  if (!server) return fail(std::move(server).error());
  if (Status fit = check_index_name(options.index); !fit) return fail(std::move(fit).error());
  return std::unique_ptr<LtseStore>(new LtseStore(std::move(*server), options, clock, random, logger));
}

LtseStore::LtseStore(ltse::ServerUrl server, const LtseOptions& options, const Clock& clock, Random& random,
                     Logger& logger)
    : indices_{options.index, options.index + std::string(kGatewaySuffix)},
      may_write_(options.access == Access::kReadWrite),
      clock_(clock),
      random_(random),
      logger_(logger),
      server_(std::move(server), random),
      reservations_(server_, indices_, clock) {}

std::string LtseStore::description() const {
  return "the LTSE at " + server_.server().display() + ", index " + indices_.clients;
}

std::string LtseStore::describe_document(const std::string& id) const {
  return "document " + id + " of the index " + indices_.clients;
}

/// The indices are there. Asked of the server until it has been so once.
Status LtseStore::prepare(Deadline deadline) {
  if (prepared_) return {};
  Status there = may_write_ ? make_indices(deadline) : find_clients(deadline);
  prepared_ = there.has_value();
  return there;
}

Status LtseStore::make_indices(Deadline deadline) {
  Status there = server_.ensure_index(indices_.clients, clients_definition(), deadline);
  if (there) there = server_.ensure_index(indices_.gateway, gateway_definition(), deadline);
  if (there) {
    logger_.debug("the LTSE's indices are there", {{"clients", indices_.clients}, {"gateway", indices_.gateway}});
  }
  return there;
}

Status LtseStore::find_clients(Deadline deadline) {
  const auto index = server_.find_index(indices_.clients, deadline);
  if (!index) return fail(index.error());
  if (*index) return {};
  return fail(ErrorCode::kNotFound, "the LTSE at " + server_.server().display() + " has no index " + indices_.clients);
}

/// Takes back every insertion that was refused or whose answer was lost. Before it has succeeded nothing else may.
Status LtseStore::settle(Deadline deadline) {
  if (unsettled_.empty()) return {};
  std::vector<Write> told;
  if (Status gone = take_back(told, deadline); !gone) return gone;
  std::vector<ltse::Claim> claims;
  for (const Unsettled& each : unsettled_) claims.insert(claims.end(), each.claims.begin(), each.claims.end());
  if (Status released = reservations_.release(claims, std::move(told), deadline); !released) return released;
  if (refused_.size() + unsettled_.size() > kMaxRefused) refused_.clear();
  for (Unsettled& each : unsettled_) refused_.insert(std::move(each.attempt));
  unsettled_.clear();
  return {};
}

/// Deletes the unsettled documents that stand there; `told` gets the numbers that vanish with them. One that another
/// gateway has confirmed stays, and is unsettled no more.
Status LtseStore::take_back(std::vector<Write>& told, Deadline deadline) {
  for (int tries = 0; tries < kSettleTries; ++tries) {
    std::vector<DocumentId> ids;
    for (const Unsettled& each : unsettled_) ids.push_back({indices_.clients, each.document});
    const auto documents = server_.get(ids, deadline);
    if (!documents) return fail(documents.error());
    std::vector<Write> deletions;
    std::vector<PublicKey> keys;
    std::vector<Unsettled> left;
    for (std::size_t i = 0; i < unsettled_.size(); ++i) {
      Unsettled& each = unsettled_[i];
      const auto& document = (*documents)[i];
      const bool stands = document && ltse::text_member(document->source, "attempt") == each.attempt;
      if (stands && !each.lost && ltse::is_confirmed(document->source)) continue;
      if (stands) {
        deletions.push_back(
            {.kind = Write::Kind::kDelete, .document = ids[i], .source = {}, .only_if = document->version});
        keys.push_back(each.key);
        tell_gone(told, document->version.seq_no, each.key);
      }
      left.push_back(std::move(each));
    }
    unsettled_ = std::move(left);
    if (deletions.empty()) return {};
    const auto deleted = server_.write(deletions, deadline);
    if (!deleted) return fail(deleted.error());
    for (std::size_t i = 0; i < deleted->size(); ++i) {
      if ((*deleted)[i].done()) tell_gone(told, (*deleted)[i].version.seq_no, keys[i]);
    }
    if (std::all_of(deleted->begin(), deleted->end(), [](const ltse::Written& w) { return w.done(); })) return {};
  }
  return fail(ErrorCode::kUnavailable, "a refused client is being changed by another gateway");
}

bool LtseStore::is_hidden(const StoredClient& stored) const {
  const auto hidden = hidden_.find(stored.document.id);
  return hidden != hidden_.end() && hidden->second == stored.attempt;
}

/// Whether a document is that of an insertion which we refused, and which arrived late; it is then to be taken back.
bool LtseStore::note_refused(const StoredClient& stored) {
  if (stored.confirmed || !refused_.contains(stored.attempt)) return false;
  unsettled_.push_back(
      {stored.client.public_key, stored.document.id, stored.attempt, ltse::claims_of(stored.client, stored.attempt)});
  return true;
}

/// Unless it is so old that no feed can miss it: it would take the place of one that may be missed.
void LtseStore::tell_gone(std::vector<Write>& writes, std::int64_t number, const PublicKey& key) {
  newest_ = std::max(newest_, number);
  if (newest_ - number < static_cast<std::int64_t>(kMaxChangedKeys)) {
    writes.push_back(ltse::gone_number(indices_, number, key));
  }
}

Result<Contents> LtseStore::load() {
  Status ready = prepare(in(kLoadTime));
  if (ready) ready = settle(in(kReadTime));
  if (!ready) return fail(std::move(ready).error());

  Contents contents;
  std::vector<StoredClient> stored;
  std::unordered_set<std::string> entangled;
  const Status scanned = server_.scan(indices_.clients, [&](ltse::Document document) {
    std::string id = document.id;
    newest_ = std::max(newest_, document.version.seq_no);
    auto client = ltse::parse_client(std::move(document));
    if (!client) {
      entangled.insert(id);
      contents.faults.push_back(describe_document(id) + ": " + client.error().message);
    } else if (!note_refused(*client)) {
      stored.push_back(std::move(*client));
    }
  });
  if (!scanned) return fail(scanned.error());
  if (Status settled = settle(in(kReadTime)); !settled) return fail(std::move(settled).error());

  std::vector<ltse::ForeignDocuments::Entry> foreign;
  for (const StoredClient& each : stored) {
    if (is_foreign(each)) foreign.push_back({each.document.id, each.client.public_key, each.client.address});
  }
  if (Status alone = drop_losers(stored, contents.faults, entangled, in(kLoadTime)); !alone) {
    return fail(std::move(alone).error());
  }
  foreign_.replace(foreign, std::move(entangled));
  std::sort(contents.faults.begin(), contents.faults.end());  // a scan has no order, and known faults are told once
  contents.clients.reserve(stored.size());
  for (StoredClient& each : stored) contents.clients.push_back(std::move(each.client));
  return contents;
}

/// Of clients that share a key, an address or a name, leaves the one that is served, and tells of all that they are
/// entangled. One that is not served keeps nothing from others. An insertion that lost its reservation to another never
/// counts.
Status LtseStore::drop_losers(std::vector<StoredClient>& clients, std::vector<std::string>& faults,
                              std::unordered_set<std::string>& entangled, Deadline deadline) {
  std::sort(clients.begin(), clients.end(), ltse::precedes);
  hidden_.clear();
  for (bool with_reservations = true;; with_reservations = false) {
    std::unordered_map<PublicKey, std::size_t> keys;
    std::unordered_map<IpAddress, std::size_t> addresses;
    std::unordered_map<std::string, std::size_t> names;
    std::vector<std::size_t> losers, contested;
    for (std::size_t i = 0; i < clients.size(); ++i) {
      const Client& client = clients[i].client;
      const auto holder = [i](const auto& holders, const auto& value) {
        const auto found = holders.find(value);
        return found != holders.end() ? found->second : i;
      };
      const std::size_t rivals[] = {holder(keys, client.public_key), holder(addresses, client.address),
                                    holder(names, client.name)};
      if (std::all_of(std::begin(rivals), std::end(rivals), [i](std::size_t rival) { return rival == i; })) {
        keys.emplace(client.public_key, i);
        addresses.emplace(client.address, i);
        if (!client.name.empty()) names.emplace(client.name, i);
        continue;
      }
      losers.push_back(i);
      contested.push_back(i);
      contested.insert(contested.end(), std::begin(rivals), std::end(rivals));
    }
    for (const std::size_t i : contested) entangled.insert(ltse::document_id(clients[i].client.public_key));
    if (losers.empty()) return {};

    if (with_reservations) {
      std::sort(contested.begin(), contested.end());
      contested.erase(std::unique(contested.begin(), contested.end()), contested.end());
      std::vector<const StoredClient*> asked;
      for (const std::size_t i : contested) asked.push_back(&clients[i]);
      const auto lost = reservations_.held_by_others(asked, deadline);
      if (!lost) return fail(lost.error());
      losers.clear();
      for (std::size_t k = 0; k < contested.size(); ++k) {
        if ((*lost)[k]) losers.push_back(contested[k]);
      }
    }
    for (auto loser = losers.rbegin(); loser != losers.rend(); ++loser) {
      const StoredClient& dropped = clients[*loser];
      faults.push_back(describe_document(dropped.document.id) + ": client " + to_string(dropped.client.public_key) +
                       " is there twice, or its address " + to_string(dropped.client.address) +
                       " or its name is another's; the other is served");
      hidden_.emplace(dropped.document.id, dropped.attempt);
      clients.erase(clients.begin() + static_cast<std::ptrdiff_t>(*loser));
    }
    if (!with_reservations) return {};
  }
}

Result<std::vector<std::optional<Client>>> LtseStore::read(std::span<const PublicKey> keys) {
  const Deadline deadline = in(kReadTime);
  if (Status settled = settle(deadline); !settled) return fail(std::move(settled).error());
  std::vector<DocumentId> ids;
  std::vector<std::size_t> positions;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    std::vector<std::string> names = foreign_.of(keys[i]);
    names.push_back(ltse::document_id(keys[i]));
    for (std::string& name : names) {
      ids.push_back({indices_.clients, std::move(name)});
      positions.push_back(i);
    }
  }
  auto documents = server_.get(ids, deadline);
  if (!documents) return fail(std::move(documents).error());

  std::vector<std::optional<StoredClient>> best(keys.size());
  for (std::size_t k = 0; k < documents->size(); ++k) {
    if (!(*documents)[k]) continue;
    auto stored = ltse::parse_client(std::move(*(*documents)[k]));
    if (!stored || stored->client.public_key != keys[positions[k]] || is_hidden(*stored)) continue;
    if (note_refused(*stored)) continue;
    std::optional<StoredClient>& holder = best[positions[k]];
    if (!holder || ltse::precedes(*stored, *holder)) holder = std::move(*stored);
  }
  // Now, for nothing else may come for long, and meanwhile the other gateways serve what arrived late.
  if (Status settled = settle(deadline); !settled) return fail(std::move(settled).error());

  std::vector<const StoredClient*> found;
  std::vector<std::size_t> at;
  for (std::size_t i = 0; i < best.size(); ++i) {
    if (!best[i]) continue;
    found.push_back(&*best[i]);
    at.push_back(i);
  }
  const auto lost = reservations_.held_by_others(found, deadline);
  if (!lost) return fail(lost.error());
  std::vector<std::optional<Client>> clients(keys.size());
  for (std::size_t k = 0; k < at.size(); ++k) {
    if (!(*lost)[k]) clients[at[k]] = std::move(best[at[k]]->client);
  }
  return clients;
}

Status LtseStore::probe() {
  const Deadline deadline = in(ltse::kCommitTime);
  Status ready = prepare(deadline);
  if (ready) ready = settle(deadline);
  if (!ready) return ready;
  // The first is written. The second's condition holds for no document: it says whether that index would be written.
  const Write writes[] = {
      {.kind = Write::Kind::kReplace, .document = {indices_.gateway, std::string(kProbeId)}},
      {.kind = Write::Kind::kReplace,
       .document = {indices_.clients, std::string(kProbeId)},
       .source = {},
       .only_if = ltse::Version{.seq_no = 0, .primary_term = 1}},
  };
  const auto written = server_.write(writes, deadline);
  return written ? Status() : fail(written.error());
}

Result<std::unique_ptr<ChangeFeed>> LtseStore::follow() {
  if (Status ready = prepare(in(kLoadTime)); !ready) return fail(std::move(ready).error());
  auto feed = std::make_unique<ltse::LtseFeed>(server_.server(), indices_, foreign_, clock_, random_);
  if (Status started = feed->start(); !started) return fail(std::move(started).error());
  return feed;
}

Result<PrivateKey> LtseStore::server_key(const PrivateKey& fresh) {
  const Deadline deadline = in(kLoadTime);
  const bool only_look = fresh.is_zero();
  if (Status ready = only_look ? Status() : prepare(deadline); !ready) return fail(std::move(ready).error());
  const DocumentId place{indices_.gateway, std::string(kServerKeyId)};
  if (!only_look) {
    const Write offer{
        .kind = Write::Kind::kCreate, .document = place, .source = {{"privateKey", reveal_base64(fresh)}}};
    if (const auto offered = server_.write({&offer, 1}, deadline); !offered) return fail(offered.error());
  }
  const auto kept = server_.get({&place, 1}, deadline);
  if (!kept) return fail(kept.error());
  if (only_look && !kept->front()) return fail(ErrorCode::kNotFound, description() + " keeps no server key");
  std::string text = kept->front() ? ltse::text_member(kept->front()->source, "privateKey") : std::string();
  const auto key = PrivateKey::parse(text);
  wipe(text.data(), text.size());
  if (!key) {
    return fail(ErrorCode::kCorrupt, "the document \"" + place.id + "\" of the index " + place.index +
                                         " holds no private key: put a backup in its place, or delete it");
  }
  return *key;
}

}  // namespace vpn::control
