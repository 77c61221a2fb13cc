// /api-export: the OpenAPI document, openapi.json beside this file, as it was when the program was built.
#include "control/api/openapi.h"
#include "control/api/resources.h"

namespace vpn::control {

Awaitable<Response> get_api_export(const Request&, ApiContext&) {
  Response response;
  response.body = kOpenApiDocument;
  co_return response;
}

}  // namespace vpn::control
