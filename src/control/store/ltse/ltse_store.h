// Clients in the LTSE, ASSIST-IoT's long-term storage enabler: documents of Elasticsearch, shared by several gateways.
//
// An original's index is used as it is, and stays readable by the original. Beside it lies an index of ours,
// "<index>-gateway", with the reservations of addresses and names and the server's key.
//
// Called from one thread at a time, which has one connection; each feed has its own. Owned by main.cc.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/log.h"
#include "base/random.h"
#include "control/store/ltse/client_document.h"
#include "control/store/ltse/elasticsearch.h"
#include "control/store/ltse/foreign_documents.h"
#include "control/store/ltse/reservations.h"
#include "control/store/store.h"

namespace vpn::control {

struct LtseOptions {
  std::string url;    ///< LTSE_URL: http://ltse-api:8080, or with user:password@ before the host; a secret
  std::string index;  ///< LTSE_INDEX: vpn-enabler
  Access access = Access::kReadWrite;
};

class LtseStore final : public SharedStore {
 public:
  /// Contacts nobody. kInvalidArgument with field LTSE_URL or LTSE_INDEX. The references outlive the store and its
  /// feeds; `random` is safe from any thread.
  static Result<std::unique_ptr<LtseStore>> create(const LtseOptions& options, const Clock& clock, Random& random,
                                                   Logger& logger);

  std::string description() const override;
  Result<Contents> load() override;
  std::vector<Status> commit(std::span<const Mutation> mutations) override;
  Status probe() override;
  Result<std::unique_ptr<ChangeFeed>> follow() override;
  Result<std::vector<std::optional<Client>>> read(std::span<const PublicKey> keys) override;
  Result<PrivateKey> server_key(const PrivateKey& fresh) override;

 private:
  /// An insertion whose outcome we do not know, or that was refused and may stand there: to be taken back.
  struct Unsettled {
    PublicKey key;
    std::string document;  ///< its id
    std::string attempt;
    std::vector<ltse::Claim> claims;
    bool lost = false;  ///< another has its key, address or name: it goes, whatever was made of it since
  };
  struct Pass;  // commit.cc: mutations that go together

  LtseStore(ltse::ServerUrl server, const LtseOptions& options, const Clock& clock, Random& random, Logger& logger);

  Status prepare(ltse::Deadline deadline);
  Status make_indices(ltse::Deadline deadline);
  Status find_clients(ltse::Deadline deadline);
  Status settle(ltse::Deadline deadline);
  Status take_back(std::vector<ltse::Write>& told, ltse::Deadline deadline);
  bool is_hidden(const ltse::StoredClient& stored) const;
  bool note_refused(const ltse::StoredClient& stored);
  void tell_gone(std::vector<ltse::Write>& writes, std::int64_t number, const PublicKey& key);
  Status drop_losers(std::vector<ltse::StoredClient>& clients, std::vector<std::string>& faults,
                     std::unordered_set<std::string>& entangled, ltse::Deadline deadline);
  std::string describe_document(const std::string& id) const;

  Status commit_some(std::span<const Mutation> mutations, std::span<Status> statuses, ltse::Deadline deadline);
  Status run_pass(Pass& pass, ltse::Deadline deadline);
  Status read_documents(Pass& pass, ltse::Deadline deadline);
  Status reserve_unconfirmed(Pass& pass, ltse::Deadline deadline);
  void plan(Pass& pass, std::size_t i, const InsertClient& insert);
  void plan(Pass& pass, std::size_t i, const RemoveClient& remove);
  void plan(Pass& pass, std::size_t i, const SetClientEnabled& set);
  Status judge_insertions(Pass& pass, ltse::Deadline deadline);
  Status undo_refused(Pass& pass, ltse::Deadline deadline);
  void finish_changes(Pass& pass, ltse::Deadline deadline);

  const ltse::Indices indices_;
  const bool may_write_;
  const Clock& clock_;
  Random& random_;
  Logger& logger_;
  ltse::Elasticsearch server_;
  ltse::Reservations reservations_;
  ltse::ForeignDocuments foreign_;
  std::int64_t newest_ = -1;  ///< number in the clients' index that we have seen
  bool prepared_ = false;
  std::vector<Unsettled> unsettled_;
  std::unordered_set<std::string> refused_;  ///< attempts taken back; their requests may still arrive
  /// Documents that lost their key, address or name to another: their ids, and the attempt that each was of, for one of
  /// ours may be deleted and made anew.
  std::unordered_map<std::string, std::string> hidden_;
};

}  // namespace vpn::control
