// An answer: status, type, body; and its text on the wire.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/error.h"
#include "base/text.h"
#include "control/api/error_status.h"
#include "control/service/secret_text.h"

namespace vpn::control {

inline constexpr std::string_view kJsonType = "application/json";
inline constexpr std::string_view kTextType = "text/plain; charset=utf-8";

/// One of the few big answers that may be under way at once (ApiLimits::bulk_answers): holds a place in a count and
/// returns it.
struct ReturnSlot {
  void operator()(std::size_t* in_use) const { --*in_use; }
};
using BulkSlot = std::unique_ptr<std::size_t, ReturnSlot>;

struct Response {
  HttpStatus status = HttpStatus::ok;
  std::string_view content_type = kJsonType;
  SecretText body = {};         ///< whole, or the first piece
  std::string_view allow = {};  ///< 405: what the path does serve, "GET, HEAD"
  bool authenticate = false;    ///< 401: says that a bearer token is wanted
  unsigned retry_after_s = 0;   ///< 503
  /// A long answer's further pieces: appends the next to its argument and says whether more will follow. Sent chunked.
  std::function<bool(SecretText&)> next_piece = {};
  BulkSlot slot = {};
};

/// {"message": ...}, the shape of every error.
Response error_response(HttpStatus status, std::string_view message);
Response error_response(const Error& error);

/// What the connection adds to an answer.
struct ResponseFraming {
  bool http_1_0 = false;  ///< no chunks: the connection's end ends the answer
  bool keep_alive = true;
  std::string_view date;  ///< IMF-fixdate
};

/// Appends status line and headers.
void append_head(SecretText& out, const Response& response, const ResponseFraming& framing);

/// "Mon, 23 Nov 2026 12:07:16 GMT" (RFC 9110 section 5.6.7), made anew once a second.
class HttpDate {
 public:
  std::string_view at(WallTime now);

 private:
  std::chrono::seconds second_{-1};
  std::string text_;
};

}  // namespace vpn::control
