#include "control/store/mongodb/wave.h"

#include "control/store/store_error.h"

namespace vpn::control::mongodb {
const PublicKey& key_of(const Mutation& mutation) {
  if (const auto* insert = std::get_if<InsertClient>(&mutation)) return insert->client.public_key;
  if (const auto* remove = std::get_if<RemoveClient>(&mutation)) return remove->public_key;
  return std::get<SetClientEnabled>(mutation).public_key;
}

Wave::Wave(std::span<const Mutation> mutations, std::span<const std::size_t> open) {
  std::unordered_set<PublicKey> keys;
  std::unordered_set<IpAddress> addresses;
  std::unordered_set<std::string> names;
  for (const std::size_t place : open) {
    const Mutation& mutation = mutations[place];
    if (!keys.insert(key_of(mutation)).second) break;
    if (const auto* insert = std::get_if<InsertClient>(&mutation)) {
      if (!addresses.insert(insert->client.address).second) break;
      if (!insert->client.name.empty() && !names.insert(insert->client.name).second) break;
    }
    members_.push_back({.place = place, .mutation = &mutation, .refusal = std::nullopt});
  }
  touched_ = {{keys.begin(), keys.end()}, {addresses.begin(), addresses.end()}, {names.begin(), names.end()}};
}

Touched Wave::touched_beside_insertions(const Originals& originals) const {
  Touched touched;
  for (const Member& member : members_) {
    const auto* insert = std::get_if<InsertClient>(member.mutation);
    if (insert && !originals.may_meet(insert->client)) continue;
    touched.keys.push_back(key_of(*member.mutation));
    if (insert) touched.addresses.push_back(insert->client.address);
    if (insert && !insert->client.name.empty()) touched.names.push_back(insert->client.name);
  }
  return touched;
}

// Of the original's documents with one key only the one that holds the client keeps its address from others; of ours
// every one, for so the server's indexes see it.
Wave::Claims::Claims(const Peers& peers) {
  for (const Peer& peer : peers.every()) {
    const bool holds = peer.ours || (peer.is_client() && peers.holder(*peer.key) == &peer);
    if (!holds) continue;
    addresses.insert(peer.client.address);
    if (!peer.client.name.empty()) names.insert(peer.client.name);
  }
}

void Wave::judge(const Peers& peers, const std::unordered_set<PublicKey>& hidden, Writer& writer) {
  end_where_freed(peers);
  const Claims claims(peers);
  for (Member& member : members_) {
    member.stamp = writer.next();
    if (const auto* insert = std::get_if<InsertClient>(member.mutation)) {
      member.refusal = judge(*insert, peers, claims, member.stamp);
    } else if (const auto* remove = std::get_if<RemoveClient>(member.mutation)) {
      member.refusal = judge(*remove, peers);
    } else if (hidden.contains(key_of(*member.mutation))) {
      member.refusal = fail(client_not_found(key_of(*member.mutation)));
    } else {
      member.refusal = judge(std::get<SetClientEnabled>(*member.mutation), peers, member.stamp);
    }
  }
}

void Wave::end_where_freed(const Peers& peers) {
  std::unordered_set<IpAddress> addresses;
  std::unordered_set<std::string> names;
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (const auto* remove = std::get_if<RemoveClient>(members_[i].mutation)) {
      for (const Peer* peer : peers.all(remove->public_key)) {
        addresses.insert(peer->client.address);
        names.insert(peer->client.name);
      }
    }
    const auto* insert = std::get_if<InsertClient>(members_[i].mutation);
    if (insert && (addresses.contains(insert->client.address) ||
                   (!insert->client.name.empty() && names.contains(insert->client.name)))) {
      members_.resize(i);
      return;
    }
  }
}

std::optional<Status> Wave::judge(const InsertClient& insert, const Peers& peers, const Claims& claims,
                                  const Stamp& stamp) {
  const Client& client = insert.client;
  if (peers.holder(client.public_key)) return fail(client_exists(client.public_key));
  for (const Peer* peer : peers.all(client.public_key)) {
    // One of ours that somebody has damaged is no client, and holds the `_id`.
    if (peer->ours && !peer->taken_back) return fail(client_exists(client.public_key));
  }
  if (claims.addresses.contains(client.address)) return fail(address_taken(client.address));
  if (claims.names.contains(client.name)) return fail(name_taken(client.name));

  Write write{Write::Kind::kInsert, {}, to_document(client, stamp)};
  for (const Peer* peer : peers.all(client.public_key)) {
    if (!peer->taken_back) continue;
    write.kind = Write::Kind::kReplace;
    write.filter = peer->unchanged();
  }
  insertions_.push_back(std::move(write));
  sent_insertions_.push_back({client.public_key, stamp});
  return std::nullopt;
}

std::optional<Status> Wave::judge(const RemoveClient& remove, const Peers& peers) {
  bool found = false;
  for (const Peer* peer : peers.all(remove.public_key)) {
    if (peer->taken_back) continue;
    found = true;
    removals_.push_back({Write::Kind::kRemove, peer->unchanged(), {}});
  }
  if (!found) return fail(client_not_found(remove.public_key));
  return std::nullopt;
}

/// The document that holds the client gets the state and our stamp, by which it holds the client from then on. The
/// original's other documents of that key are disabled, so that the original, too, would serve this one.
std::optional<Status> Wave::judge(const SetClientEnabled& set, const Peers& peers, const Stamp& stamp) {
  const Peer* holder = peers.holder(set.public_key);
  if (!holder) return fail(client_not_found(set.public_key));
  Document fields;
  fields.flag("enabled", set.enabled).id("writeId", stamp);
  changes_.push_back({Write::Kind::kUpdate, holder->unchanged(), std::move(Document().document("$set", fields))});
  for (const Peer* other : peers.all(set.public_key)) {
    if (other == holder || !other->is_client() || !other->client.enabled) continue;
    changes_.push_back({Write::Kind::kUpdate, other->unchanged(),
                        std::move(Document().document("$set", Document().flag("enabled", false)))});
  }
  return std::nullopt;
}

std::vector<Wave::Outcome> Wave::settle() const {
  std::vector<Outcome> outcomes;
  for (const Member& member : members_) outcomes.push_back({member.place, member.refusal.value_or(Status())});
  return outcomes;
}

std::vector<Wave::Outcome> Wave::settle(const Peers& now, bool removed) const {
  std::vector<Outcome> outcomes;
  for (const Member& member : members_) {
    Outcome outcome{member.place, member.refusal};
    if (!outcome.status) {
      const PublicKey& key = key_of(*member.mutation);
      const Peer* holder = now.holder(key);
      if (std::holds_alternative<RemoveClient>(*member.mutation)) {
        // Gone: by us, or by another at the same moment, which nobody can tell from the order of the two.
        if (!holder && removed) outcome.status = Status();
      } else if (holder && holder->stamp && same(*holder->stamp, member.stamp)) {
        outcome.status = Status();
      }
    }
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

}  // namespace vpn::control::mongodb
