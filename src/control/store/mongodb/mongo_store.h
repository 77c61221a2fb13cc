// Clients in MongoDB, shared by any number of gateways: the original enabler's collection, opened in place.
//
// Durable: a commit is acknowledged by a majority and journalled when commit() returns. Of keys, addresses and names of
// ours the server itself keeps each unique (peer.h); the original's documents are neither changed nor refused, they are
// looked at before a commit that could meet one (originals.h). Time limits hold everywhere (options.cc), so a server
// that is away is an answer.
//
// Collections: `peers` (peer.h), `gateway` (the server key; what probe() writes), `changes` (revisions.h).
//
// load(), commit(), probe(), read() and server_key(): one thread at a time. The feed has a thread of its own. Owned by
// main.cc.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/log.h"
#include "control/store/mongodb/announcer.h"
#include "control/store/mongodb/news.h"
#include "control/store/mongodb/options.h"
#include "control/store/mongodb/originals.h"
#include "control/store/mongodb/peer.h"
#include "control/store/mongodb/server.h"
#include "control/store/mongodb/wave.h"
#include "control/store/store.h"

namespace vpn::control {

class MongoStore final : public SharedStore {
 public:
  /// Checks the options and asks nothing of the network. kInvalidArgument, with the setting as field.
  static Result<std::unique_ptr<MongoStore>> create(const MongoOptions& options, Logger& logger);

  std::string description() const override { return server_.description(); }
  Result<Contents> load() override;
  std::vector<Status> commit(std::span<const Mutation> mutations) override;
  Status probe() override;
  void disconnect() override { server_.disconnect(); }
  Result<std::unique_ptr<ChangeFeed>> follow() override;
  Result<std::vector<std::optional<Client>>> read(std::span<const PublicKey> keys) override;
  Result<PrivateKey> server_key(const PrivateKey& fresh) override;

 private:
  MongoStore(mongodb::Uri uri, const MongoOptions& options, Logger& logger)
      : server_(std::move(uri), options), may_write_(options.access == Access::kReadWrite), logger_(logger) {}

  Status prepare();
  Status prepare_to_load();
  void look_for_change_streams();
  Status create_indexes();
  Status take_back();
  Status catch_up();
  Status run_wave(std::span<const Mutation> mutations, std::vector<std::size_t>& open, std::vector<Status>& statuses,
                  bool& surely);
  Status send(const mongodb::Wave& wave, bool& all_hit, bool& removed);
  Status send_writes(const mongodb::Wave& wave, bool& all_hit, bool& removed);
  Result<mongodb::Document> find_server_key();
  Result<mongodb::Document> offer_server_key(const PrivateKey& fresh);
  Result<mongodb::Peers> read_touched(const mongodb::Touched& touched);
  Status read_keys(std::span<const PublicKey> keys, mongodb::Peers& into);
  bool is_hidden(const mongodb::Peer& holder) const;
  void tell_duplicate(const mongodb::Peer& kept, const mongodb::Peer& passed_over);

  mongodb::Server server_;
  const bool may_write_;
  Logger& logger_;
  mongodb::News news_;
  mongodb::Announcer announcer_{server_};
  bool prepared_ = false;  ///< indexes are there (where we may write); until the next failure
  bool has_change_streams_ = false;
  bool settled_ = true;                        ///< no write has an unknown end
  std::vector<mongodb::Insertion> undecided_;  ///< insertions with an unknown end, of one batch at most
  /// Clients that the last load() did not answer, since another holds their address or name.
  std::unordered_map<PublicKey, Client> hidden_;
  std::unordered_set<PublicKey> faulty_;           ///< keys of documents that the last load() named as faults
  std::optional<mongodb::Originals> originals_;    ///< none: nothing was loaded yet
  std::unordered_set<PublicKey> told_duplicates_;  ///< said once
};

}  // namespace vpn::control
