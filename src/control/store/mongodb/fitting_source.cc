#include "control/store/mongodb/fitting_source.h"

#include <utility>

#include "control/store/mongodb/change_stream.h"
#include "control/store/mongodb/revisions.h"

namespace vpn::control::mongodb {

Status FittingSource::open() {
  const auto deployment = server_.deployment();
  if (!deployment) return fail(ErrorCode::kUnavailable, server_.description() + " does not answer");
  std::unique_ptr<ChangeSource> source;
  if (deployment->has_change_streams) {
    source = std::make_unique<ChangeStream>(server_, news_);
  } else {
    source = std::make_unique<Revisions>(server_, news_);
  }
  if (Status opened = source->open(); !opened) return opened;
  source_ = std::move(source);
  of_ = deployment;
  return {};
}

Result<Changes> FittingSource::take() {
  Result<Changes> changes = source_->take();
  const auto deployment = server_.deployment();
  if (!deployment || deployment == of_) return changes;
  if (Status opened = open(); !opened) return fail(std::move(opened).error());
  return Changes{.everything = true, .keys = {}};
}

}  // namespace vpn::control::mongodb
