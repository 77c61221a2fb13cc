#include "control/api/request_parser.h"

#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>

namespace vpn::control {
namespace {

namespace http = boost::beast::http;

// Memory that a connection keeps for the next body; most are a hundred bytes.
constexpr std::size_t kKeptBytes = 4096;

void wipe_and_clear(SecretText& text) {
  wipe(text.data(), text.size());
  text.clear();
  if (text.capacity() > kKeptBytes) text.shrink_to_fit();
}

// A second value of a header that has one is a way to be understood differently by two programs: refused.
void keep_once(auto& slot, std::string_view value, boost::system::error_code& error) {
  if (!slot.empty()) error = http::error::bad_value;
  slot = value;
}

}  // namespace

void Request::clear() {
  method = Verb::unknown;
  for (std::string* text : {&target, &host, &origin, &sec_fetch_site, &content_type, &content_encoding}) text->clear();
  wipe_and_clear(authorization);
  wipe_and_clear(body);
  has_host = http_1_0 = expects_continue = authorized = on_unix_socket = false;
}

RequestParser::RequestParser(Request& request, std::size_t header_limit_bytes, std::size_t body_limit_bytes)
    : request_(request) {
  header_limit(static_cast<std::uint32_t>(header_limit_bytes));
  body_limit(body_limit_bytes);
}

void RequestParser::on_request_impl(Verb method, Text, Text target, int version, ErrorCode& error) {
  request_.method = method;
  request_.http_1_0 = version < 11;
  std::string_view rest(target);
  constexpr std::string_view kScheme = "http://";
  if (rest.starts_with(kScheme)) {
    rest.remove_prefix(kScheme.size());
    const std::size_t end = std::min(rest.find_first_of("/?"), rest.size());
    request_.host = rest.substr(0, end);
    rest.remove_prefix(end);
    request_.has_host = true;
    if (request_.host.empty()) error = http::error::bad_target;
  }
  request_.target = rest;
}

void RequestParser::on_field_impl(Field name, Text, Text value, ErrorCode& error) {
  if (header_done_) return;
  switch (name) {
    case Field::host:
      if (++host_count_ > 1) error = http::error::bad_value;
      if (request_.host.empty()) request_.host = value;
      request_.has_host = true;
      break;
    case Field::origin:
      keep_once(request_.origin, value, error);
      break;
    case Field::sec_fetch_site:
      keep_once(request_.sec_fetch_site, value, error);
      break;
    case Field::authorization:
      keep_once(request_.authorization, value, error);
      break;
    case Field::content_type:
      keep_once(request_.content_type, value, error);
      break;
    case Field::content_encoding:
      keep_once(request_.content_encoding, value, error);
      break;
    case Field::expect:
      request_.expects_continue = boost::beast::iequals(value, "100-continue");
      break;
    case Field::transfer_encoding:
      // Any other coding would leave the body's end to guesswork (RFC 9112 section 6.1); HTTP/1.0 knows none.
      if (request_.http_1_0 || !boost::beast::iequals(value, "chunked")) error = http::error::bad_transfer_encoding;
      break;
    default:
      break;
  }
}

void RequestParser::on_header_impl(ErrorCode& error) {
  header_done_ = true;
  // RFC 9112 section 3.2.
  if (!request_.http_1_0 && host_count_ == 0) error = http::error::bad_field;
}

void RequestParser::on_body_init_impl(const boost::optional<std::uint64_t>& content_length, ErrorCode&) {
  // Bounded: the parser has held it against body_limit.
  if (content_length) request_.body.reserve(static_cast<std::size_t>(*content_length));
}

std::size_t RequestParser::on_body_impl(Text piece, ErrorCode&) {
  request_.body.append(piece.data(), piece.size());
  return piece.size();
}

std::size_t RequestParser::on_chunk_body_impl(std::uint64_t, Text piece, ErrorCode& error) {
  return on_body_impl(piece, error);
}

}  // namespace vpn::control
