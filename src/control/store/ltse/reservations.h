// Who holds an address or a name: a document each in an index beside the clients', whose `_id` is the value, so that
// `_create` gives it to one of several gateways. docs/adr/0005-ltse-uniqueness.md says why this is sound.
//
//   _id "ip 192.168.2.7" or "name laptop"   {holder: the client's _id, attempt: the insertion that took it}
//
// The store's thread alone.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "control/model/client.h"
#include "control/store/ltse/client_document.h"
#include "control/store/ltse/elasticsearch.h"

namespace vpn::control::ltse {

/// The two indices: the clients', LTSE_INDEX, which may be an original's; and ours beside it, for what the original
/// must not meet: reservations and the server's key.
struct Indices {
  std::string clients;
  std::string gateway;
};

/// One value that an insertion wants for itself.
struct Claim {
  enum class Kind { kAddress, kName };
  Kind kind = Kind::kAddress;
  std::string id;      ///< of the reservation
  std::string holder;  ///< the client's document
  std::string attempt;
  std::optional<Version> held = {};  ///< has a value when it is ours, as far as we know
};

/// The claims of a client: its address, and its name when it has one.
std::vector<Claim> claims_of(const Client& client, const std::string& attempt);

/// How long one commit may take. An insertion whose answers took longer is taken back.
constexpr std::chrono::seconds kCommitTime{5};
/// A reservation whose client is absent is another's to take when one gateway has seen it unchanged for this long, by
/// its own clock: longer than any insertion takes, which writes both in one request.
constexpr std::chrono::seconds kOrphanAge{15};
/// Reservations that one gateway watches; when there are more, it begins anew.
constexpr std::size_t kMaxWatched = 4096;

class Reservations {
 public:
  /// All outlive it.
  Reservations(Elasticsearch& server, const Indices& indices, const Clock& clock)
      : server_(server), indices_(indices), clock_(clock) {}

  Write creation(const Claim& claim) const;

  /// For claims whose creation met a reservation: sets `held` where it turns out to be ours, or an orphan that was
  /// ours to take.
  Status contend(std::span<Claim* const> claims, Deadline deadline);

  /// Gives back those that stand for their claim's attempt; others are left. `beside` is written in the same request.
  Status release(std::span<const Claim> claims, std::vector<Write> beside, Deadline deadline);

  /// For each client, whether another holds its address or its name: an insertion that has lost, and is not yet, or
  /// never was, taken back.
  Result<std::vector<bool>> held_by_others(std::span<const StoredClient* const> clients, Deadline deadline);

 private:
  struct Sighting {
    Version version;
    Instant first_seen;
  };
  DocumentId place(const Claim& claim) const { return {indices_.gateway, claim.id}; }
  bool is_orphan(const Claim& claim, const Document& reservation, const std::optional<Document>& holder);

  Elasticsearch& server_;
  const Indices& indices_;
  const Clock& clock_;
  std::unordered_map<std::string, Sighting> watched_;  ///< by the reservation's id
};

}  // namespace vpn::control::ltse
