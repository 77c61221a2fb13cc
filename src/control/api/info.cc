// /info and /info/conf: what `wg show` and `wg showconf` print; not before the tunnel has been told its peers.
#include "control/api/resources.h"
#include "control/service/wg_text.h"

namespace vpn::control {
namespace {

Response print_status(const Request& request, ApiContext& context, WgFormat format) {
  if (const Status known = context.backend.clients.ready(); !known) return error_response(known.error());
  BulkSlot slot = take_bulk_slot(request, context);
  if (!slot) return too_many_bulk_answers();
  auto status = context.backend.tunnel.status();
  if (!status) return error_response(status.error());
  const auto text = std::make_shared<WgText>(format, std::move(*status), context.backend.clock.wall_now());
  return answer_in_pieces(kTextType, [text](SecretText& out) { return text->append_next(out); }, std::move(slot));
}

}  // namespace

Awaitable<Response> get_info(const Request& request, ApiContext& context) {
  co_return print_status(request, context, WgFormat::kShow);
}

Awaitable<Response> get_info_conf(const Request& request, ApiContext& context) {
  co_return print_status(request, context, WgFormat::kShowconf);
}

Response answer_in_pieces(std::string_view content_type, std::function<bool(SecretText&)> next_piece, BulkSlot slot) {
  Response response{.content_type = content_type};
  if (next_piece(response.body)) {
    response.next_piece = std::move(next_piece);
    response.slot = std::move(slot);
  }
  return response;
}

BulkSlot take_bulk_slot(const Request& request, ApiContext& context) {
  std::size_t& under_way = request.on_unix_socket ? context.unix_bulk_answers : context.tcp_bulk_answers;
  if (under_way >= context.bulk_answer_limit) return nullptr;
  ++under_way;
  return BulkSlot(&under_way);
}

Response too_many_bulk_answers() {
  Response response = error_response(HttpStatus::service_unavailable, "too many long answers are under way; try again");
  response.retry_after_s = 1;
  return response;
}

}  // namespace vpn::control
