// Makes the tunnel what the clients say: each batch of changes as one delta; and after a failure the whole difference,
// again and again with growing pauses, until it is applied.
//
// Lives on the control strand. Owned by ClientManager.
#pragma once

#include <chrono>
#include <functional>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "control/service/strand.h"
#include "tunnel/tunnel.h"

namespace vpn::control {

class Reconciler {
 public:
  /// Every peer that the tunnel should hold now.
  using Wanted = std::function<std::vector<tunnel::Peer>()>;

  /// `tunnel` and `logger` outlive it.
  Reconciler(tunnel::Tunnel& tunnel, Wanted wanted, Delay delay, Logger& logger);

  /// Applies the difference between what is wanted and what the tunnel holds. At the start; after a failure it is
  /// repeated by itself.
  void converge();
  /// The same without removals: after a change by somebody else, whose own peers may stay until the next start.
  void restore();
  /// Applies a change.
  void apply(const tunnel::Delta& delta);

  /// Success, or why the tunnel is not (known to be) what is wanted.
  const Status& state() const { return state_; }

 private:
  enum class Foreign { kRemoved, kKept };
  Status apply_difference(Foreign foreign);
  void fall_behind(Error error);

  tunnel::Tunnel& tunnel_;
  const Wanted wanted_;
  const Delay delay_;
  Logger& logger_;

  Status state_;
  bool retry_waits_ = false;
  std::chrono::milliseconds pause_;
};

}  // namespace vpn::control
