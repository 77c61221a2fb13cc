// What the gateway on this machine says of itself: GET /health over its unix socket.
//
// Any thread: nothing here has a state.
#pragma once

#include <chrono>
#include <string>

#include "base/error.h"

namespace vpn::cli {

struct HealthAnswer {
  int process_id = 0;  ///< who listens on the socket
  bool well = false;   ///< clients can be changed and packets flow
  std::string body;    ///< JSON
};

/// kNotFound when nobody listens there, kPermissionDenied when we may not ask, kUnavailable when nothing comes within
/// `patience` for one step of it, kCorrupt when it is no gateway that answers.
Result<HealthAnswer> ask_health(const std::string& socket_path, std::chrono::seconds patience);

}  // namespace vpn::cli
