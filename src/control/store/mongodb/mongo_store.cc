#include "control/store/mongodb/mongo_store.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"
#include "control/store/mongodb/feed.h"
#include "control/store/mongodb/fitting_source.h"
#include "control/store/mongodb/revisions.h"
#include "control/store/store_error.h"

namespace vpn::control {

using mongodb::Array;
using mongodb::Document;
using mongodb::Peer;
using mongodb::Peers;
using mongodb::Wave;
using mongodb::Write;

namespace {

constexpr const char* kPeers = "peers";
constexpr const char* kGateway = "gateway";
constexpr const char* kServerKeyId = "server";

/// How often a mutation is judged anew because another gateway was quicker, before its caller is told to come back.
constexpr int kMaxOvertaken = 8;
/// Faults that load() names one by one.
constexpr std::size_t kMaxFaults = 100;
/// How long the trace of an insertion that was taken back keeps a late copy of it out. Longer than a cut network's
/// buffers hold a packet.
constexpr std::int64_t kTakenBack_s = 15 * 60;

Error unavailable(Error cause) {
  cause.code = ErrorCode::kUnavailable;
  return cause;
}

void add_fault(Contents& contents, std::string fault, std::size_t& count) {
  if (++count <= kMaxFaults) contents.faults.push_back(std::move(fault));
}

std::vector<Write> one(Write write) {
  std::vector<Write> writes;
  writes.push_back(std::move(write));
  return writes;
}

}  // namespace

Result<std::unique_ptr<MongoStore>> MongoStore::create(const MongoOptions& options, Logger& logger) {
  auto uri = mongodb::parse_uri(options);
  if (!uri) return fail(std::move(uri).error());
  return std::unique_ptr<MongoStore>(new MongoStore(std::move(*uri), options, logger));
}

// ---------------------------------------------------------------- before anything else

/// What must hold before anything is read or written: indexes, and no write of ours with an unknown end.
Status MongoStore::prepare() {
  if (!prepared_) {
    if (auto hello = server_.command(Document().integer("hello", 1)); !hello) return fail(std::move(hello).error());
  }
  look_for_change_streams();
  if (!prepared_) {
    if (Status created = may_write_ ? create_indexes() : Status(); !created) return created;
    prepared_ = true;
  }
  return take_back();
}

void MongoStore::look_for_change_streams() {
  if (const auto known = server_.deployment()) has_change_streams_ = known->has_change_streams;
}

Status MongoStore::create_indexes() {
  const auto index = [](const char* name, const Document& key) {
    Document made;
    made.text("name", name).document("key", key);
    return made;
  };
  const auto where = [](Document&& made, std::initializer_list<const char*> fields_exist) {
    Document filter;
    for (const char* field : fields_exist) filter.document(field, Document().flag("$exists", true));
    return std::move(made.flag("unique", true).document("partialFilterExpression", filter));
  };
  const auto expiring = [](Document&& made, std::int64_t seconds) {
    return std::move(made.integer("expireAfterSeconds", seconds));
  };
  const auto by = [](const char* field) { return std::move(Document().integer(field, 1)); };
  // An index of somebody else's with the same fields does as well as one that only finds.
  constexpr std::uint32_t kMustBeOurs = 0, kIndexOptionsConflict = 85;
  const struct {
    const char* collection;
    Document index;
    std::uint32_t harmless;
  } wanted[] = {
      {kPeers, index("vpn_key", by("clientPublicKey")), kIndexOptionsConflict},
      {kPeers, index("vpn_address", by("clientIP").integer("_id", 1)), kIndexOptionsConflict},
      {kPeers, where(index("vpn_unique_address", by("clientIP")), {"createdAt"}), kMustBeOurs},
      {kPeers, where(index("vpn_unique_name_of_ours", by("name")), {"createdAt", "name"}), kMustBeOurs},
      {kPeers, expiring(index("vpn_taken_back", by("takenBack")), kTakenBack_s), kMustBeOurs},
      {mongodb::kChanges, expiring(index("vpn_silent", by("at")), mongodb::kSilentWriter_s), kMustBeOurs},
  };
  for (const auto& [collection, made, harmless] : wanted) {
    Array indexes;
    indexes.document(made);
    Document command;
    command.text("createIndexes", collection).array("indexes", indexes.elements());
    // A member that is down must not keep the others from starting.
    if (has_change_streams_) command.text("commitQuorum", "majority");
    if (auto created = server_.write_command(command, harmless); !created) return fail(std::move(created).error());
  }
  return {};
}

/// Undoes insertions whose answer was lost. First a trace with that key is left, then what was inserted is removed: so
/// a copy of the insertion that is still on its way finds its key taken, whenever it arrives.
Status MongoStore::take_back() {
  if (settled_) return {};
  std::vector<Write> traces, removals;
  for (const mongodb::Insertion& insertion : undecided_) {
    const std::string key = to_string(insertion.key);
    Document trace, inserted;
    trace.text("_id", key).document("takenBack", Document().flag("$exists", true));
    inserted.text("_id", key).id("writeId", insertion.stamp);
    mongodb::Writer writer = news_.writer();
    Document change;
    change.document("$set", Document().text("clientPublicKey", key).id("writeId", writer.next()))
        .document("$currentDate", Document().flag("takenBack", true));
    news_.wrote(writer);
    traces.push_back({Write::Kind::kUpsert, std::move(trace), std::move(change)});
    removals.push_back({Write::Kind::kRemove, std::move(inserted), {}});
  }
  for (const auto* writes : {&traces, &removals}) {
    auto written = server_.write(kPeers, *writes);
    if (!written) return fail(std::move(written).error());
  }
  if (!has_change_streams_) {
    if (Status told = mongodb::announce(server_, news_.writer_name(), {}, /*everything=*/true); !told) return told;
  }
  undecided_.clear();
  settled_ = true;
  news_.owe_everything();
  return {};
}

/// Writes durably. A majority's answer to that is proof that what is read next is not older than what was ever
/// acknowledged: a primary that has just been elected may not know yet how much of what it holds a majority has. (Read
/// concern "linearizable" would do it too, and waits for the journal's next turn: 100 ms.)
Status MongoStore::catch_up() {
  Document change;
  change.document("$currentDate", Document().flag("at", true));
  auto written = server_.write(
      kGateway, one({Write::Kind::kUpsert, std::move(Document().text("_id", "probe")), std::move(change)}));
  if (!written) return fail(std::move(written).error());
  return {};
}

Status MongoStore::prepare_to_load() {
  Status ready = prepare();
  return ready && may_write_ ? catch_up() : ready;
}

Status MongoStore::probe() {
  Status status = prepare();
  if (status) status = catch_up();
  if (status) return {};
  prepared_ = false;
  return fail(unavailable(std::move(status).error()));
}

// ---------------------------------------------------------------- reading

Result<Contents> MongoStore::load() {
  if (Status ready = prepare_to_load(); !ready) {
    prepared_ = false;
    return fail(std::move(ready).error());
  }

  Contents contents;
  std::size_t faults = 0;
  mongodb::OriginalKeys original_keys;
  mongodb::Originals originals;
  std::unordered_map<PublicKey, std::size_t> place_of;
  std::vector<Peer> holders;
  std::unordered_set<PublicKey> faulty;
  const auto take = [&](const bson_t& document) {
    Peer peer = mongodb::parse_peer(document);
    if (peer.taken_back) return;
    originals.add(peer);
    if (!peer.is_client()) {
      if (peer.key) faulty.insert(*peer.key);
      return add_fault(contents, std::move(peer.fault), faults);
    }
    if (peer.object_id) original_keys.emplace(*peer.object_id, *peer.key);
    const auto [place, is_new] = place_of.emplace(*peer.key, holders.size());
    if (is_new) return holders.push_back(std::move(peer));
    Peer& holder = holders[place->second];
    if (peer.rank() >= holder.rank()) std::swap(peer, holder);
    tell_duplicate(holder, peer);
  };
  Document options;
  options.document("hint", Document().integer("$natural", 1)).integer("batchSize", 20'000);
  if (Status found = server_.find(kPeers, {}, std::move(options), take); !found) {
    prepared_ = false;
    return fail(std::move(found).error());
  }

  std::unordered_set<IpAddress> addresses;
  std::unordered_set<std::string> names;
  hidden_.clear();
  contents.clients.reserve(holders.size());
  for (Peer& peer : holders) {
    Client& client = peer.client;
    if (!addresses.insert(client.address).second) {
      hidden_.emplace(client.public_key, client);
      add_fault(contents,
                "the client " + to_string(client.public_key) + " has the address " + to_string(client.address) +
                    " of another",
                faults);
    } else if (!client.name.empty() && !names.insert(client.name).second) {
      hidden_.emplace(client.public_key, client);
      add_fault(contents, "the client " + to_string(client.public_key) + " has the name of another", faults);
    } else {
      contents.clients.push_back(std::move(client));
    }
  }
  if (faults > kMaxFaults) contents.faults.push_back("and " + std::to_string(faults - kMaxFaults) + " more");
  news_.set_original_keys(std::move(original_keys));
  originals_ = std::move(originals);
  faulty_ = std::move(faulty);
  return contents;
}

/// A client that was removed and added anew since, elsewhere, is another.
bool MongoStore::is_hidden(const Peer& holder) const {
  const auto found = hidden_.find(*holder.key);
  return found != hidden_.end() && found->second.address == holder.client.address &&
         found->second.name == holder.client.name;
}

void MongoStore::tell_duplicate(const Peer& kept, const Peer& passed_over) {
  if (told_duplicates_.size() >= kMaxFaults || !told_duplicates_.insert(*kept.key).second) return;
  logger_.warn("a client is stored more than once; one of its documents is served, the others are left alone",
               {{"public_key", to_string(*kept.key)},
                {"address_served", to_string(kept.client.address)},
                {"address_left_alone", to_string(passed_over.client.address)}});
}

Status MongoStore::read_keys(std::span<const PublicKey> keys, Peers& into) {
  if (keys.empty()) return {};
  Array texts;
  for (const PublicKey& key : keys) texts.text(to_string(key));
  // Natural order among the documents of one key: an index keeps equal values in it.
  Document options;
  options.document("hint", Document().integer("clientPublicKey", 1));
  return server_.find(kPeers, Document().document("clientPublicKey", Document().array("$in", texts.elements())),
                      std::move(options), [&](const bson_t& document) { into.add(mongodb::parse_peer(document)); });
}

Result<std::vector<std::optional<Client>>> MongoStore::read(std::span<const PublicKey> keys) {
  Peers peers;
  Status status = prepare();
  if (status && has_change_streams_) status = catch_up();
  if (status) status = read_keys(keys, peers);
  if (!status) {
    prepared_ = false;
    return fail(unavailable(std::move(status).error()));
  }
  // The list of faults, which only load() tells, may be another now.
  bool faults = std::ranges::any_of(keys, [this](const PublicKey& key) { return faulty_.contains(key); });
  for (const Peer& peer : peers.every()) {
    if (originals_) originals_->add(peer);
    faults = faults || (!peer.is_client() && !peer.taken_back);
  }
  if (faults) news_.owe_everything();
  std::vector<std::optional<Client>> clients;
  clients.reserve(keys.size());
  for (const PublicKey& key : keys) {
    const Peer* holder = peers.holder(key);
    clients.push_back(holder && !is_hidden(*holder) ? std::optional(holder->client) : std::nullopt);
    // What is gone may have set free what a hidden one waits for.
    if (!holder && !hidden_.empty()) news_.owe_everything();
  }
  return clients;
}

Result<PrivateKey> MongoStore::server_key(const PrivateKey& fresh) {
  auto kept = fresh.is_zero() ? find_server_key() : offer_server_key(fresh);
  if (!kept) return fail(std::move(kept).error());
  if (auto key = PrivateKey::parse(mongodb::text_of(*kept->get(), "privateKey").value_or(""))) return *key;
  return fail(ErrorCode::kCorrupt, server_.description() + ", collection " + kGateway +
                                       ", holds a server key that is none. Put a backup's in its place, or set "
                                       "WG_PRIVATE_KEY");
}

Result<Document> MongoStore::find_server_key() {
  std::vector<Document> kept;
  const Status found = server_.find(kGateway, Document().text("_id", kServerKeyId), {},
                                    [&](const bson_t& document) { kept.emplace_back(document); });
  if (!found) return fail(found.error());
  if (kept.empty()) return fail(ErrorCode::kNotFound, server_.description() + " keeps no server key");
  return std::move(kept.front());
}

/// The one that is kept then: of several gateways' the first.
Result<Document> MongoStore::offer_server_key(const PrivateKey& fresh) {
  std::string text = reveal_base64(fresh);
  Document query, update, command;
  query.text("_id", kServerKeyId);
  update.document("$setOnInsert", Document().text("privateKey", text));
  wipe(text.data(), text.size());
  command.text("findAndModify", kGateway)
      .document("query", query)
      .document("update", update)
      .flag("upsert", true)
      .flag("new", true);
  auto answer = server_.write_command(command);
  if (!answer) return fail(std::move(answer).error());
  const auto value = mongodb::find(*answer->get(), "value");
  std::uint32_t size = 0;
  const std::uint8_t* bytes = nullptr;
  bson_t document;
  if (value && BSON_ITER_HOLDS_DOCUMENT(&*value)) bson_iter_document(&*value, &size, &bytes);
  if (!bytes || !bson_init_static(&document, bytes, size)) return Document();
  return Document(document);
}

Result<std::unique_ptr<ChangeFeed>> MongoStore::follow() {
  if (Status ready = prepare(); !ready) {
    prepared_ = false;
    return fail(std::move(ready).error());
  }
  auto source = std::make_unique<mongodb::FittingSource>(server_, news_);
  if (Status opened = source->open(); !opened) return fail(std::move(opened).error());
  return std::make_unique<mongodb::Feed>(std::move(source), news_);
}

// ---------------------------------------------------------------- writing

std::vector<Status> MongoStore::commit(std::span<const Mutation> mutations) {
  CHECK(may_write_);
  std::vector<Status> statuses(mutations.size());
  if (mutations.empty()) return statuses;
  std::vector<std::size_t> open(mutations.size());
  std::iota(open.begin(), open.end(), std::size_t{0});

  Status status = prepare();
  bool surely = !originals_;
  for (int overtaken = 0; status && !open.empty();) {
    const std::size_t before = open.size();
    status = run_wave(mutations, open, statuses, surely);
    if (!status || open.size() < before || ++overtaken < kMaxOvertaken) continue;
    for (const std::size_t place : std::exchange(open, {})) {
      statuses[place] = fail(ErrorCode::kConflict, "Another gateway changes the client at this moment; try again");
    }
  }
  if (!status) {
    prepared_ = false;
    for (const std::size_t place : open) statuses[place] = fail(unavailable(status.error()));
  }
  return statuses;
}

/// One round: settles some of what is open, or fails with that still open. Nothing is refused by a round that is not
/// sure: what it saw may be old, or be taken back by a fail-over; the next round is. Before that an insertion is sent
/// unseen, where the server's indexes alone can refuse it.
Status MongoStore::run_wave(std::span<const Mutation> mutations, std::vector<std::size_t>& open,
                            std::vector<Status>& statuses, bool& surely) {
  if (surely) {
    if (Status caught_up = catch_up(); !caught_up) return caught_up;
  }
  Wave wave(mutations, open);
  auto peers = read_touched(surely ? wave.touched() : wave.touched_beside_insertions(*originals_));
  if (!peers) return fail(std::move(peers).error());
  std::unordered_set<PublicKey> hidden;
  for (const PublicKey& key : wave.touched().keys) {
    if (const Peer* holder = peers->holder(key); holder && is_hidden(*holder)) hidden.insert(key);
  }
  mongodb::Writer writer = news_.writer();
  wave.judge(*peers, hidden, writer);
  news_.wrote(writer);

  bool all_hit = true, removed = false;
  if (Status sent = send(wave, all_hit, removed); !sent) {
    // Which of them happened is not known.
    settled_ = false;
    undecided_ = wave.sent_insertions();
    news_.rename();
    return sent;
  }
  std::vector<Wave::Outcome> outcomes;
  if (all_hit) {
    outcomes = wave.settle();
  } else {
    Peers now;
    if (Status read = read_keys(wave.touched().keys, now); !read) {
      settled_ = false;
      undecided_ = wave.sent_insertions();
      news_.rename();
      return read;
    }
    outcomes = wave.settle(now, removed);
  }
  std::unordered_set<std::size_t> settled;
  for (Wave::Outcome& outcome : outcomes) {
    if (!outcome.status || (!surely && !*outcome.status)) continue;
    statuses[outcome.mutation] = std::move(*outcome.status);
    settled.insert(outcome.mutation);
  }
  surely = surely || settled.size() < outcomes.size();
  std::erase_if(open, [&](std::size_t place) { return settled.contains(place); });
  return {};
}

/// Sends a wave's writes and tells other gateways.
Status MongoStore::send(const Wave& wave, bool& all_hit, bool& removed) {
  const bool announces = !has_change_streams_ && !wave.is_idle();
  if (announces) announcer_.begin(news_.writer_name(), wave.touched().keys);
  const Status sent = send_writes(wave, all_hit, removed);
  const Status told = announces ? announcer_.finish() : Status();
  if (!sent || announces || wave.is_idle()) return sent ? told : sent;
  // The server may have become one that stands alone meanwhile.
  look_for_change_streams();
  return has_change_streams_ ? Status() : mongodb::announce(server_, news_.writer_name(), wave.touched().keys, false);
}

Status MongoStore::send_writes(const Wave& wave, bool& all_hit, bool& removed) {
  for (const auto* writes : {&wave.removals(), &wave.changes(), &wave.insertions()}) {
    auto hits = server_.write(kPeers, *writes);
    if (!hits) return fail(std::move(hits).error());
    all_hit = all_hit && *hits == writes->size();
    if (writes == &wave.removals()) removed = *hits > 0;
  }
  return {};
}

/// The documents of the keys that a wave touches, and whatever holds an address or a name that it wants.
Result<Peers> MongoStore::read_touched(const mongodb::Touched& touched) {
  Peers peers;
  if (Status read = read_keys(touched.keys, peers); !read) return fail(read.error());
  Array claims;
  if (!touched.addresses.empty()) {
    Array numbers;
    for (const IpAddress& address : touched.addresses) numbers.number(address.v4_host_order());
    claims.document(Document().document("clientIP", Document().array("$in", numbers.elements())));
  }
  if (!touched.names.empty()) {
    Array names;
    for (const std::string& name : touched.names) names.text(name);
    claims.document(Document().document("name", Document().array("$in", names.elements())));
  }
  if (claims.empty()) return peers;

  // Whether an original's document holds its client is seen beside the others of its key.
  const std::unordered_set<PublicKey> known(touched.keys.begin(), touched.keys.end());
  std::unordered_set<PublicKey> more;
  const auto claim = [&](const bson_t& document) {
    Peer peer = mongodb::parse_peer(document);
    if (peer.key && known.contains(*peer.key)) return;
    if (peer.key) {
      more.insert(*peer.key);
    } else {
      peers.add(std::move(peer));
    }
  };
  if (Status read = server_.find(kPeers, Document().array("$or", claims.elements()), {}, claim); !read) {
    return fail(read.error());
  }
  const std::vector<PublicKey> keys(more.begin(), more.end());
  if (Status read = read_keys(keys, peers); !read) return fail(read.error());
  return peers;
}

}  // namespace vpn::control
