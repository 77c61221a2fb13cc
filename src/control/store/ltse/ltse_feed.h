// What changes in the clients' index, by asking how far it has come every kPollInterval: a request that reads no
// document and makes the server refresh nothing. Each change has a number, and each number must be accounted for: by a
// document whose last change it was, or by whoever made it vanish (gone_numbers.h). next() has a thread and a
// connection of its own; stop() comes from any.
#pragma once

#include <chrono>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "control/store/ltse/elasticsearch.h"
#include "control/store/ltse/foreign_documents.h"
#include "control/store/ltse/gone_numbers.h"
#include "control/store/store.h"

namespace vpn::control::ltse {

constexpr std::chrono::seconds kPollInterval{2};
/// `everything` is told at least so often, whatever the numbers say, should we have a fault.
constexpr std::chrono::minutes kEverythingInterval{10};
/// Between a deletion and the telling of its number.
constexpr std::chrono::milliseconds kTellingTime{200};

class LtseFeed final : public ChangeFeed {
 public:
  /// All references outlive it; `random` is safe from any thread.
  LtseFeed(ServerUrl server, const Indices& indices, const ForeignDocuments& foreign, const Clock& clock,
           Random& random)
      : server_(std::move(server), random), indices_(indices), foreign_(foreign), clock_(clock) {}

  /// What happens after its return will be told.
  Status start();
  Result<Changes> next() override;
  void stop() override { server_.abort(); }

 private:
  Failure away(const Error& error);
  Result<Changes> changes_until(const Revision& now);
  Result<std::optional<std::vector<PublicKey>>> ask_whose(std::span<const std::int64_t> gone);

  Elasticsearch server_;
  const Indices& indices_;
  const ForeignDocuments& foreign_;
  const Clock& clock_;
  Revision known_;
  Instant told_everything_;
  bool failure_told_ = false;  ///< the end of it is then told too, be it with an empty batch
};

}  // namespace vpn::control::ltse
