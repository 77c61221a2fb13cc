#include "control/service/reconciler.h"

#include <algorithm>

#include "tunnel/diff.h"

namespace vpn::control {
namespace {

constexpr std::chrono::milliseconds kFirstPause{100};
constexpr std::chrono::milliseconds kLongestPause{10'000};

}  // namespace

Reconciler::Reconciler(tunnel::Tunnel& tunnel, Wanted wanted, Delay delay, Logger& logger)
    : tunnel_(tunnel), wanted_(std::move(wanted)), delay_(std::move(delay)), logger_(logger), pause_(kFirstPause) {}

void Reconciler::converge() {
  if (Status applied = apply_difference(Foreign::kRemoved); !applied) return fall_behind(std::move(applied).error());
  if (!state_) logger_.info("the tunnel holds the stored clients again");
  state_ = {};
  pause_ = kFirstPause;
}

void Reconciler::restore() {
  if (!state_) return;  // the next attempt of converge() does it
  if (Status applied = apply_difference(Foreign::kKept); !applied) fall_behind(std::move(applied).error());
}

void Reconciler::apply(const tunnel::Delta& delta) {
  if (delta.empty()) return;
  Status applied = tunnel_.apply(delta);
  if (applied) return;
  // A delta is all or nothing; what cannot be added must not keep a disabled client connected.
  if (!delta.set.empty() && !delta.remove.empty()) (void)tunnel_.apply({.set = {}, .remove = delta.remove});
  fall_behind(std::move(applied).error());
}

Status Reconciler::apply_difference(Foreign foreign) {
  const auto status = tunnel_.status();
  if (!status) return fail(status.error());
  tunnel::Delta difference = tunnel::diff(wanted_(), status->peers);
  if (foreign == Foreign::kKept) difference.remove.clear();
  if (difference.empty()) return {};
  return tunnel_.apply(difference);
}

void Reconciler::fall_behind(Error error) {
  if (state_) logger_.warn("the tunnel refused a change; retrying until it is applied", {{"error", error.message}});
  state_ = fail(std::move(error));
  if (retry_waits_) return;
  retry_waits_ = true;
  delay_(pause_, [this] {
    retry_waits_ = false;
    converge();
  });
  pause_ = std::min(2 * pause_, kLongestPause);
}

}  // namespace vpn::control
