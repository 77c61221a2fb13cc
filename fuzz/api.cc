// What callers send to the API: bodies in JSON and as forms, queries, and whole HTTP requests that come in pieces.
//
// Checked: errors are fit to be shown, memory is bounded, a body means the same in both forms, and in how many pieces a
// request comes does not matter.
#include <boost/beast/http/error.hpp>
#include <boost/json/serialize.hpp>
#include <string>

#include "base/check.h"
#include "control/api/request_body.h"
#include "control/api/request_parser.h"
#include "control/model/client_name.h"
#include "fuzz/input.h"
#include "fuzz/message.h"

namespace vpn::fuzz {
namespace {

using namespace control;

constexpr std::size_t kHeaderLimit = 8192;
constexpr std::size_t kBodyLimit = 8192;

std::string as_form(std::string_view name) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text = "name=";
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    text.append("%").append(1, kDigits[byte >> 4]).append(1, kDigits[byte & 15]);
  }
  return text;
}

std::string as_json(std::string_view name) {
  return "{\"name\":" + boost::json::serialize(boost::json::string_view(name.data(), name.size())) + "}";
}

void check_body(MediaType type, std::string_view bytes) {
  const auto body =
      RequestBody::parse(type, bytes, {BodyField::kPublicKey, BodyField::kPresharedKey, BodyField::kName});
  if (!body) return check_message(body.error());
  if (const auto key = body->public_key(); !key) check_message(key.error());
  if (const auto key = body->preshared_key(); !key) check_message(key.error());
  if (!body->name()) return;
  if (const Status fit = check_client_name(*body->name()); !fit) check_message(fit.error());
  const auto form = RequestBody::parse(MediaType::kForm, as_form(*body->name()), {BodyField::kName});
  CHECK(form && form->name() == body->name());
  const auto json = RequestBody::parse(MediaType::kJson, as_json(*body->name()), {BodyField::kName});
  CHECK(json && json->name() == body->name());
}

struct Received {
  Request request;
  bool whole = false;
};

// Reads a request as a connection does, `piece_bytes` at a time.
Received receive(std::string_view text, std::size_t piece_bytes) {
  Received received;
  RequestParser parser(received.request, kHeaderLimit, kBodyLimit);
  std::string unread;
  while (!parser.is_done()) {
    boost::system::error_code error;
    std::size_t used = 0;
    if (!unread.empty()) used = parser.put(boost::asio::buffer(unread), error);
    if (error && error != boost::beast::http::error::need_more) return received;
    unread.erase(0, used);
    if (parser.is_header_done()) parser.eager(true);
    if (used > 0) continue;
    if (text.empty() || unread.size() > kHeaderLimit) return received;
    unread += text.substr(0, piece_bytes);
    text.remove_prefix(std::min(piece_bytes, text.size()));
  }
  received.whole = true;
  return received;
}

void check_request(std::string_view text, std::size_t piece_bytes) {
  const Received at_once = receive(text, text.size());
  const Received in_pieces = receive(text, piece_bytes);
  const Request& request = in_pieces.request;
  CHECK(request.body.size() <= kBodyLimit && request.target.size() <= kHeaderLimit);
  if (text.size() > kHeaderLimit) return;  // one limit may be met before the other
  CHECK(at_once.whole == in_pieces.whole);
  if (!in_pieces.whole) return;
  CHECK(at_once.request.body == request.body && at_once.request.target == request.target);
  CHECK(at_once.request.host == request.host && at_once.request.authorization == request.authorization);
  check_body(MediaType::kForm, request.query());
  if (const auto type = parse_media_type(request.content_type)) check_body(*type, request.body);
}

void run(Input input) {
  const std::uint8_t kind = input.u8();
  const std::string_view text = text_of(input.rest());
  if (kind == 'j') return check_body(MediaType::kJson, text);
  if (kind == 'f') return check_body(MediaType::kForm, text);
  if (!text.empty()) check_request(text, static_cast<std::size_t>(kind) + 1);
}

}  // namespace
}  // namespace vpn::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  vpn::fuzz::run(vpn::fuzz::Input({data, size}));
  return 0;
}
