// One round of a commit: mutations that do not touch each other, judged by what the server holds and turned into
// writes.
//
//     batch -> longest run of independent mutations -> read what they touch -> judge -> remove, change, insert ->
//     settle
//
// Each write names the stamp of the document that it saw. One that hits nothing was overtaken by another gateway, or
// is an insertion that a unique index refused: that mutation stays open, and the next round judges it by what is there
// then. Pure. Owned by MongoStore::commit.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "control/store/mongodb/originals.h"
#include "control/store/mongodb/peer.h"
#include "control/store/mongodb/server.h"
#include "control/store/store.h"

namespace vpn::control::mongodb {

/// An insertion that was sent.
struct Insertion {
  PublicKey key;
  Stamp stamp;
};

/// What must be read to judge a wave.
struct Touched {
  std::vector<PublicKey> keys;
  std::vector<IpAddress> addresses;
  std::vector<std::string> names;
};

class Wave {
 public:
  /// Takes the first mutations of those that are open, until one shares a key, an address or a name with an earlier.
  Wave(std::span<const Mutation> mutations, std::span<const std::size_t> open);

  const Touched& touched() const { return touched_; }
  /// The same without insertions that the server's indexes judge alone.
  Touched touched_beside_insertions(const Originals& originals) const;

  /// `peers` holds what was touched. Ends the wave earlier where a mutation takes what an earlier one sets free.
  /// Those that are `hidden` are no clients to set anything in; they may be removed.
  void judge(const Peers& peers, const std::unordered_set<PublicKey>& hidden, Writer& writer);

  // In the order of sending: what is set free comes before what may take it.
  const std::vector<Write>& removals() const { return removals_; }
  const std::vector<Write>& changes() const { return changes_; }
  const std::vector<Write>& insertions() const { return insertions_; }
  /// Nothing is to be sent.
  bool is_idle() const { return removals_.empty() && changes_.empty() && insertions_.empty(); }
  const std::vector<Insertion>& sent_insertions() const { return sent_insertions_; }

  struct Outcome {
    std::size_t mutation;
    std::optional<Status> status;  ///< none: it stays open
  };
  /// After the writes, all of which hit.
  std::vector<Outcome> settle() const;
  /// After the writes, when some hit nothing: by what is there now. `removed`: whether any removal hit.
  std::vector<Outcome> settle(const Peers& now, bool removed) const;

 private:
  struct Member {
    std::size_t place;
    const Mutation* mutation;
    std::optional<Status> refusal;
    Stamp stamp{};
  };

  /// The addresses and names that clients hold.
  struct Claims {
    explicit Claims(const Peers& peers);
    std::unordered_set<IpAddress> addresses;
    std::unordered_set<std::string> names;
  };

  // Each adds its writes, or answers why not.
  std::optional<Status> judge(const InsertClient& insert, const Peers& peers, const Claims& claims, const Stamp& stamp);
  std::optional<Status> judge(const RemoveClient& remove, const Peers& peers);
  std::optional<Status> judge(const SetClientEnabled& set, const Peers& peers, const Stamp& stamp);
  void end_where_freed(const Peers& peers);

  std::vector<Member> members_;
  Touched touched_;
  std::vector<Write> removals_, changes_, insertions_;
  std::vector<Insertion> sent_insertions_;
};

/// The key that a mutation is about.
const PublicKey& key_of(const Mutation& mutation);

}  // namespace vpn::control::mongodb
