#include "control/store/ltse/reservations.h"

#include <algorithm>
#include <utility>

namespace vpn::control::ltse {
namespace {

boost::json::object to_source(const Claim& claim) {
  return {{"holder", claim.holder}, {"attempt", claim.attempt}};
}

/// Whether the client that a reservation names is there, by the same insertion, and uses the value.
bool is_used(const Claim& claim, const Document& reservation, const std::optional<Document>& holder) {
  if (!holder) return false;
  const auto stored = parse_client(*holder);
  if (!stored) return true;  // who knows what it uses
  if (stored->attempt != text_member(reservation.source, "attempt")) return false;
  const std::vector<Claim> used = claims_of(stored->client, stored->attempt);
  return std::any_of(used.begin(), used.end(), [&](const Claim& each) { return each.id == claim.id; });
}

}  // namespace

std::vector<Claim> claims_of(const Client& client, const std::string& attempt) {
  const std::string holder = document_id(client.public_key);
  std::vector<Claim> claims{{Claim::Kind::kAddress, "ip " + to_string(client.address), holder, attempt}};
  if (!client.name.empty()) claims.push_back({Claim::Kind::kName, "name " + client.name, holder, attempt});
  return claims;
}

Write Reservations::creation(const Claim& claim) const {
  return {.kind = Write::Kind::kCreate, .document = place(claim), .source = to_source(claim)};
}

/// Whether no client that the reservation's insertion made uses the value, and none has for kOrphanAge.
bool Reservations::is_orphan(const Claim& claim, const Document& reservation, const std::optional<Document>& holder) {
  if (is_used(claim, reservation, holder)) return false;
  if (watched_.size() >= kMaxWatched) watched_.clear();
  const auto [sighting, is_new] = watched_.try_emplace(claim.id, Sighting{reservation.version, clock_.now()});
  if (sighting->second.version != reservation.version) sighting->second = {reservation.version, clock_.now()};
  return clock_.now() - sighting->second.first_seen >= kOrphanAge;
}

Status Reservations::contend(std::span<Claim* const> claims, Deadline deadline) {
  std::vector<DocumentId> ids;
  for (const Claim* claim : claims) ids.push_back(place(*claim));
  const auto reservations = server_.get(ids, deadline);
  if (!reservations) return fail(reservations.error());

  // Only then the holders: a client that is created meanwhile is seen, and so is the one of a release.
  ids.clear();
  for (const auto& reservation : *reservations) {
    ids.push_back({indices_.clients, reservation ? text_member(reservation->source, "holder") : "none"});
  }
  const auto holders = server_.get(ids, deadline);
  if (!holders) return fail(holders.error());

  std::vector<Write> writes;
  std::vector<Claim*> writers;
  for (std::size_t i = 0; i < claims.size(); ++i) {
    const std::optional<Document>& reservation = (*reservations)[i];
    if (!reservation) {  // released since
      writes.push_back(creation(*claims[i]));
    } else if (text_member(reservation->source, "attempt") == claims[i]->attempt) {
      claims[i]->held = reservation->version;
      continue;
    } else if (is_orphan(*claims[i], *reservation, (*holders)[i])) {
      writes.push_back({.kind = Write::Kind::kReplace,
                        .document = place(*claims[i]),
                        .source = to_source(*claims[i]),
                        .only_if = reservation->version});
    } else {
      continue;
    }
    writers.push_back(claims[i]);
  }
  if (writes.empty()) return {};
  const auto written = server_.write(writes, deadline);
  if (!written) return fail(written.error());
  for (std::size_t i = 0; i < writers.size(); ++i) {
    if ((*written)[i].done()) writers[i]->held = (*written)[i].version;
  }
  return {};
}

Status Reservations::release(std::span<const Claim> claims, std::vector<Write> beside, Deadline deadline) {
  std::vector<DocumentId> ids;
  for (const Claim& claim : claims) ids.push_back(place(claim));
  const auto reservations = server_.get(ids, deadline);
  if (!reservations) return fail(reservations.error());
  std::vector<Write> writes = std::move(beside);
  for (std::size_t i = 0; i < claims.size(); ++i) {
    const std::optional<Document>& reservation = (*reservations)[i];
    if (!reservation || text_member(reservation->source, "attempt") != claims[i].attempt) continue;
    writes.push_back(
        {.kind = Write::Kind::kDelete, .document = place(claims[i]), .source = {}, .only_if = reservation->version});
  }
  if (writes.empty()) return {};
  const auto written = server_.write(writes, deadline);  // a conflict: another has taken it over
  return written ? Status() : fail(written.error());
}

Result<std::vector<bool>> Reservations::held_by_others(std::span<const StoredClient* const> clients,
                                                       Deadline deadline) {
  std::vector<Claim> claims;
  std::vector<std::size_t> claimants;
  std::vector<DocumentId> ids;
  for (std::size_t i = 0; i < clients.size(); ++i) {
    if (clients[i]->attempt.empty()) continue;  // the original reserves nothing
    for (Claim& claim : claims_of(clients[i]->client, clients[i]->attempt)) {
      ids.push_back(place(claim));
      claims.push_back(std::move(claim));
      claimants.push_back(i);
    }
  }
  const auto reservations = server_.get(ids, deadline);
  if (!reservations) return fail(reservations.error());

  std::vector<std::size_t> contested;
  ids.clear();
  for (std::size_t k = 0; k < claims.size(); ++k) {
    const std::optional<Document>& reservation = (*reservations)[k];
    if (!reservation || text_member(reservation->source, "attempt") == claims[k].attempt) continue;
    contested.push_back(k);
    ids.push_back({indices_.clients, text_member(reservation->source, "holder")});
  }
  const auto holders = server_.get(ids, deadline);
  if (!holders) return fail(holders.error());
  std::vector<bool> others(clients.size(), false);
  for (std::size_t n = 0; n < contested.size(); ++n) {
    const std::size_t k = contested[n];
    if (is_used(claims[k], *(*reservations)[k], (*holders)[n])) others[claimants[k]] = true;
  }
  return others;
}

}  // namespace vpn::control::ltse
