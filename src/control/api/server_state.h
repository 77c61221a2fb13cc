// What the connections of one server share. On the control strand.
#pragma once

#include <array>
#include <unordered_set>

#include "control/api/auth.h"
#include "control/api/resources.h"
#include "control/api/response.h"
#include "control/api/server.h"

namespace vpn::control {

class Session;

enum class ConnectionKind {
  kTcp,
  kUnix,
  kRefused,  ///< above the limit, being told so
};
inline constexpr std::size_t kConnectionKinds = 3;

struct ServerState {
  ApiContext context;
  ApiLimits limits;
  std::array<AuthPolicy, 2> policies;  ///< of kTcp and kUnix
  HttpDate date = {};
  bool stopping = false;
  std::array<std::size_t, kConnectionKinds> open = {};
  std::unordered_set<Session*> sessions = {};
  std::function<void()> on_session_end = {};

  std::size_t& open_of(ConnectionKind kind) { return open[static_cast<std::size_t>(kind)]; }
};

}  // namespace vpn::control
