// /version: who answers.
#include "control/api/resources.h"

namespace vpn::control {

Awaitable<Response> get_version(const Request&, ApiContext& context) {
  Response response;
  response.body = R"({"enabler":"VPN enabler","version":)";
  append_json_string(response.body, context.info.version);
  response.body += '}';
  co_return response;
}

}  // namespace vpn::control
