// What changes in the clients' index, by asking how far it has come every kPollInterval: a request that reads no
// document and makes the server refresh nothing. next() has a thread and a connection of its own; stop() comes from
// any.
#pragma once

#include <chrono>
#include <string>

#include "base/clock.h"
#include "base/random.h"
#include "control/store/ltse/elasticsearch.h"
#include "control/store/ltse/foreign_documents.h"
#include "control/store/store.h"

namespace vpn::control::ltse {

constexpr std::chrono::seconds kPollInterval{2};
/// `everything` is told at least so often, whatever the numbers say.
constexpr std::chrono::seconds kEverythingInterval{60};

class LtseFeed final : public ChangeFeed {
 public:
  /// All references outlive it; `random` is safe from any thread.
  LtseFeed(ServerUrl server, std::string index, const ForeignDocuments& foreign, const Clock& clock, Random& random)
      : server_(std::move(server), random), index_(std::move(index)), foreign_(foreign), clock_(clock) {}

  /// What happens after its return will be told.
  Status start();
  Result<Changes> next() override;
  void stop() override { server_.abort(); }

 private:
  Failure away(const Error& error);
  Result<Changes> changes_until(const Revision& now);

  Elasticsearch server_;
  const std::string index_;
  const ForeignDocuments& foreign_;
  const Clock& clock_;
  Revision known_;
  Instant told_everything_;
  bool failure_told_ = false;  ///< the end of it is then told too, be it with an empty batch
};

}  // namespace vpn::control::ltse
