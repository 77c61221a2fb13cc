// From method and path to the function that answers. The one table of every route; each also stands under /v1.
#pragma once

#include <span>
#include <string_view>
#include <variant>

#include "control/api/asio.h"
#include "control/api/auth.h"
#include "control/api/request_parser.h"
#include "control/api/resources.h"
#include "control/api/response.h"

namespace vpn::control {

struct Route {
  std::string_view path;
  Handler get = nullptr;
  Handler post = nullptr;
  Handler put = nullptr;
  Handler del = nullptr;
  std::string_view allow = {};  ///< the methods that are served, as the Allow header writes them
  bool open = false;            ///< for everyone, token or not
};

std::span<const Route> routes();

/// Decides by the headers alone whether this request may be answered, and by whom: a handler, or the refusal itself
/// (404, 405, 401, 403, 415). Sets request.authorized and on_unix_socket. Who may not call does not learn which paths
/// exist.
std::variant<Handler, Response> resolve(Request& request, const AuthPolicy& policy);

}  // namespace vpn::control
