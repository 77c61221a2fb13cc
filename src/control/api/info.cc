// /info and /info/conf: what `wg show` and `wg showconf` print.
#include "control/api/resources.h"
#include "control/service/wg_text.h"

namespace vpn::control {
namespace {

using Writer = std::string (*)(const tunnel::TunnelStatus& status, WallTime now);

Response write_status(ApiContext& context, Writer writer, bool secret) {
  BulkSlot slot = take_bulk_slot(context);
  if (!slot) return too_many_bulk_answers();
  const auto status = context.backend.tunnel.status();
  if (!status) return error_response(status.error());
  Response response{.content_type = kTextType, .secret = secret};
  response.body = writer(*status, context.backend.clock.wall_now());
  response.slot = std::move(slot);
  return response;
}

}  // namespace

Awaitable<Response> get_info(const Request&, ApiContext& context) {
  co_return write_status(context, wg_show, false);
}

Awaitable<Response> get_info_conf(const Request&, ApiContext& context) {
  co_return write_status(context, [](const auto& status, WallTime) { return wg_showconf(status); }, true);
}

BulkSlot take_bulk_slot(ApiContext& context) {
  if (context.bulk_answers_in_use >= context.bulk_answer_limit) return nullptr;
  ++context.bulk_answers_in_use;
  return BulkSlot(&context.bulk_answers_in_use);
}

Response too_many_bulk_answers() {
  Response response = error_response(HttpStatus::service_unavailable, "too many long answers are under way; try again");
  response.retry_after_s = 1;
  return response;
}

}  // namespace vpn::control
