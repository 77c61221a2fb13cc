// One kept-alive HTTP/1.1 connection to one server, http or https, with a deadline for each call.
//
// Blocking. One thread calls it; abort() alone may come from any. The peer of an https connection is verified against
// the system's certificates (or those of SSL_CERT_FILE) and its name.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "control/store/ltse/server_url.h"

namespace vpn::control::ltse {

using Deadline = std::chrono::steady_clock::time_point;

enum class HttpMethod { kGet, kPut, kPost, kDelete };

struct HttpRequest {
  HttpMethod method = HttpMethod::kGet;
  std::string target;  ///< behind the server's own path, percent-encoded
  std::string_view content_type = {};
  std::string body = {};  ///< wiped after the call: it may hold keys
  /// Doing it twice is the same as once: it is sent again when a kept connection turns out to be dead.
  bool repeatable = false;
};

struct HttpAnswer {
  unsigned status = 0;
  std::string body;
};

/// The body of one answer: a page of 5,000 clients is 2 MB.
constexpr std::size_t kMaxAnswerBytes = std::size_t{64} << 20;
/// To connect and, with https, to shake hands: a server behind a wall that drops packets is known to be away soon.
constexpr std::chrono::seconds kConnectTime{3};
/// A connection that was unused for longer is opened anew: servers and gateways close idle ones, and a request that
/// meets that is lost.
constexpr std::chrono::seconds kMaxIdle{4};

class HttpClient {
 public:
  explicit HttpClient(ServerUrl server);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  const ServerUrl& server() const;

  /// An answer of any status. kUnavailable: no whole answer by the deadline; what was asked may have been done, or may
  /// still be. kInvalidArgument, field LTSE_URL: the certificate is not one that we trust, or it is not HTTP.
  Result<HttpAnswer> call(HttpRequest request, Deadline deadline);

  /// Waits. False when abort() ended it.
  bool pause(std::chrono::milliseconds duration);

  /// Ends a call() or pause() that runs, and every later one. Any thread.
  void abort();

 private:
  struct Connection;
  std::unique_ptr<Connection> connection_;
  std::atomic<bool> aborted_ = false;
};

}  // namespace vpn::control::ltse
