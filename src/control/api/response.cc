#include "control/api/response.h"

#include <array>
#include <charconv>
#include <cstdio>
#include <ctime>

namespace vpn::control {
namespace {

// The caller is told when it may try again: as soon as a store that fails will have been asked again
// (Committer::Limits::probe_interval).
constexpr unsigned kRetryAfterS = 2;

// Sent with every answer. Nothing may be cached (most answers hold keys or change), sniffed, framed or run.
constexpr std::string_view kFixedHeaders =
    "Cache-Control: no-store\r\n"
    "X-Content-Type-Options: nosniff\r\n"
    "X-Frame-Options: DENY\r\n"
    "Content-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\n";

void append_number(SecretText& out, std::size_t number) {
  std::array<char, 20> digits{};
  const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), number).ptr;
  out.append(digits.data(), end);
}

void append_header(SecretText& out, std::string_view name, std::string_view value) {
  out.append(name).append(": ").append(value).append("\r\n");
}

void append_body_headers(SecretText& out, const Response& response, bool http_1_0) {
  if (response.status == HttpStatus::no_content) return;
  const bool pieces = static_cast<bool>(response.next_piece);
  if (pieces || !response.body.empty()) append_header(out, "Content-Type", response.content_type);
  if (!pieces) {
    out += "Content-Length: ";
    append_number(out, response.body.size());
    out += "\r\n";
  } else if (!http_1_0) {
    append_header(out, "Transfer-Encoding", "chunked");
  }
}

}  // namespace

Response error_response(HttpStatus status, std::string_view message) {
  Response response{.status = status};
  response.body = R"({"message":)";
  append_json_string(response.body, message);
  response.body += '}';
  if (status == HttpStatus::service_unavailable) response.retry_after_s = kRetryAfterS;
  return response;
}

Response error_response(const Error& error) {
  // A caller's fault always names the field.
  if (error.code == ErrorCode::kInvalidArgument && error.message.find(error.field) == std::string::npos) {
    return error_response(http_status(error.code), error.field + ": " + error.message);
  }
  return error_response(http_status(error.code), error.message);
}

void append_head(SecretText& out, const Response& response, const ResponseFraming& framing) {
  out += "HTTP/1.1 ";
  append_number(out, static_cast<unsigned>(response.status));
  out += ' ';
  out += std::string_view(boost::beast::http::obsolete_reason(response.status));
  out += "\r\n";
  append_header(out, "Date", framing.date);
  append_body_headers(out, response, framing.http_1_0);
  if (!response.allow.empty()) append_header(out, "Allow", response.allow);
  if (response.authenticate) append_header(out, "WWW-Authenticate", "Bearer realm=\"vpn-enabler\"");
  if (response.retry_after_s != 0) append_header(out, "Retry-After", std::to_string(response.retry_after_s));
  if (!framing.keep_alive) append_header(out, "Connection", "close");
  if (framing.keep_alive && framing.http_1_0) append_header(out, "Connection", "keep-alive");
  out += kFixedHeaders;
  out += "\r\n";
}

std::string_view HttpDate::at(WallTime now) {
  static constexpr std::array kDays = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto second = std::chrono::floor<std::chrono::seconds>(now.time_since_epoch());
  if (second == second_) return text_;
  second_ = second;
  const std::time_t time = second.count();
  std::tm utc{};
  gmtime_r(&time, &utc);
  std::array<char, 40> text{};
  // Not strftime: its names follow the locale.
  const int size = std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                                 kDays.at(static_cast<std::size_t>(utc.tm_wday)), utc.tm_mday,
                                 kMonths.at(static_cast<std::size_t>(utc.tm_mon)), utc.tm_year + 1900, utc.tm_hour,
                                 utc.tm_min, utc.tm_sec);
  text_.assign(text.data(), static_cast<std::size_t>(size));
  return text_;
}

}  // namespace vpn::control
