// The source of changes that fits the server: a mongod that stands alone may become a replica set, and the other way,
// while gateways run; and one that was killed may have lost what was announced last.
//
// One thread, the feed's, after open().
#pragma once

#include <memory>
#include <optional>

#include "control/store/mongodb/feed.h"
#include "control/store/mongodb/server.h"

namespace vpn::control::mongodb {

class FittingSource final : public ChangeSource {
 public:
  FittingSource(Server& server, const News& news) : server_(server), news_(news) {}

  Status open() override;
  Result<Changes> take() override;
  std::chrono::milliseconds pause() const override { return source_->pause(); }

 private:
  Server& server_;
  const News& news_;
  std::optional<Deployment> of_;  ///< what `source_` was opened on
  std::unique_ptr<ChangeSource> source_;
};

}  // namespace vpn::control::mongodb
