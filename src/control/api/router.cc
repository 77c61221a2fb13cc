#include "control/api/router.h"

#include <algorithm>
#include <array>

#include "control/api/request_body.h"

namespace vpn::control {
namespace {

constexpr std::string_view kReads = "GET, HEAD";

constexpr std::array kRoutes = {
    Route{.path = "/client", .post = create_client, .del = delete_client, .allow = "POST, DELETE"},
    Route{.path = "/client/enable", .put = enable_client, .allow = "PUT"},
    Route{.path = "/client/disable", .put = disable_client, .allow = "PUT"},
    Route{.path = "/clients", .get = list_clients, .allow = kReads},
    Route{.path = "/keys", .get = get_keys, .allow = kReads},
    Route{.path = "/info", .get = get_info, .allow = kReads},
    Route{.path = "/info/conf", .get = get_info_conf, .allow = kReads},
    Route{.path = "/health", .get = get_health, .allow = kReads, .open = true},
    Route{.path = "/health/ready", .get = get_health_ready, .allow = kReads, .open = true},
    Route{.path = "/health/live", .get = get_health_live, .allow = kReads, .open = true},
    Route{.path = "/metrics", .get = get_metrics, .allow = kReads},
    Route{.path = "/version", .get = get_version, .allow = kReads, .open = true},
    Route{.path = "/api-export", .get = get_api_export, .allow = kReads},
};

// Whole paths only, compared byte by byte: nothing is decoded, cut or normalized, so no spelling gets past the check of
// a route.
const Route* find_route(std::string_view path) {
  if (path.starts_with("/v1/")) path.remove_prefix(3);
  const auto route = std::ranges::find(kRoutes, path, &Route::path);
  return route == kRoutes.end() ? nullptr : &*route;
}

Handler handler_for(const Route& route, Verb method) {
  switch (method) {
    case Verb::get:
    case Verb::head:
      return route.get;
    case Verb::post:
      return route.post;
    case Verb::put:
      return route.put;
    case Verb::delete_:
      return route.del;
    default:
      return nullptr;
  }
}

bool reads(Verb method) {
  return method == Verb::get || method == Verb::head;
}

Response refuse(AuthDecision decision) {
  if (decision == AuthDecision::kForeignPage) {
    return error_response(
        HttpStatus::forbidden,
        "refused: this listener serves programs on this machine, and the Host, Origin or Sec-Fetch-Site "
        "header speaks of a web page elsewhere; use http://127.0.0.1 or a bearer token");
  }
  Response response = error_response(HttpStatus::unauthorized, "a token is needed: Authorization: Bearer <API_TOKEN>");
  response.authenticate = true;
  return response;
}

Response method_not_allowed(std::string_view allow) {
  Response response =
      error_response(HttpStatus::method_not_allowed, "this path serves " + std::string(allow) + " only");
  response.allow = allow;
  return response;
}

}  // namespace

std::span<const Route> routes() {
  return kRoutes;
}

std::variant<Handler, Response> resolve(Request& request, const AuthPolicy& policy) {
  const Route* route = find_route(request.path());
  CallerHeaders caller{{}, request.origin, request.sec_fetch_site, request.authorization};
  if (request.has_host) caller.host = request.host;
  const AuthDecision decision = decide(policy, caller);
  request.on_unix_socket = policy.unix_socket;
  request.authorized = decision == AuthDecision::kAllowed;
  if (!request.authorized && (route == nullptr || !route->open)) return refuse(decision);
  if (route == nullptr) return error_response(HttpStatus::not_found, "no such path; GET /api-export lists them");

  const Handler handler = handler_for(*route, request.method);
  if (handler == nullptr) return method_not_allowed(route->allow);
  const bool typed = !request.content_type.empty();
  if (!reads(request.method) &&
      ((typed && !parse_media_type(request.content_type)) || !request.content_encoding.empty())) {
    return error_response(
        HttpStatus::unsupported_media_type,
        "Content-Type must be application/json or application/x-www-form-urlencoded, in UTF-8, with no "
        "Content-Encoding");
  }
  return handler;
}

}  // namespace vpn::control
