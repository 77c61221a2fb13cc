// /health: 200 while clients can be changed and packets flow, else 503. Below it are the two narrower questions of
// those who send callers to a gateway and start it anew, such as Kubernetes:
//   /health/ready  whether clients are served. A store that goes away later does not change that: the tunnels go on.
//   /health/live   whether the program answers at all.
// Open to everyone, so the words of a failure, which may name hosts and paths, and the faults of what is stored are for
// those who may call the rest too.
#include <chrono>
#include <utility>

#include "control/api/resources.h"

namespace vpn::control {
namespace {

std::string_view status_word(bool ok) {
  return ok ? "ok" : "failing";
}

void append_strings(SecretText& out, const std::vector<std::string>& strings) {
  char separator = '[';
  for (const std::string& string : strings) {
    out += std::exchange(separator, ',');
    append_json_string(out, string);
  }
  out += ']';
}

Response answer(const Request& request, const Health& health, bool well) {
  Response response{.status = well ? HttpStatus::ok : HttpStatus::service_unavailable};
  SecretText& body = response.body;
  body.append(R"({"status":")").append(status_word(well));
  body.append(R"(","store":")").append(status_word(health.store_ok));
  body.append(R"(","tunnel":")").append(status_word(health.tunnel_ok)).append(R"(")");
  if (health.stale_since) {
    const auto since = std::chrono::floor<std::chrono::seconds>(health.stale_since->time_since_epoch()).count();
    body.append(R"(,"staleSince":)").append(std::to_string(since));
  }
  if (!health.ok() && request.authorized) {
    const bool both = !health.store_ok && !health.tunnel_ok;
    body += R"(,"message":)";
    append_json_string(body, health.store_detail + (both ? "; " : "") + health.tunnel_detail);
  }
  if (!health.faults.empty() && request.authorized) {
    body += R"(,"faults":)";
    append_strings(body, health.faults);
  }
  body += '}';
  return response;
}

}  // namespace

Health health_of(const ApiBackend& backend) {
  Health health = backend.clients.health();
  Status flow = backend.tunnel.ready();
  if (flow && backend.surroundings) flow = backend.surroundings();
  if (health.tunnel_ok && !flow) {
    health.tunnel_ok = false;
    health.tunnel_detail = flow.error().message;
  }
  return health;
}

Awaitable<Response> get_health(const Request& request, ApiContext& context) {
  const Health health = health_of(context.backend);
  co_return answer(request, health, health.ok());
}

Awaitable<Response> get_health_ready(const Request& request, ApiContext& context) {
  const Health health = health_of(context.backend);
  co_return answer(request, health, context.backend.clients.ready() && health.tunnel_ok);
}

Awaitable<Response> get_health_live(const Request&, ApiContext&) {
  Response response;
  response.body = R"({"status":"ok"})";
  co_return response;
}

}  // namespace vpn::control
