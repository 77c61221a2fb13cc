// Who may call the API, as one pure decision.
//
//   unix socket (0600)       always
//   loopback listener        without a token if none is set, unless the request smells of a web page: a Host that is no
//                            loopback name (DNS rebinding; a program may leave it out), an Origin, a foreign site
//   any other listener       a bearer token (RFC 6750), as on loopback when one is set
//   AuthMode::kOff           everyone: a gateway in front checks. On loopback no foreign site: it is a browser's here,
//                            past the gateway, which may pass a foreign Host and Origin
//
// A right token is good everywhere: no web page can know it. Open routes never get here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/ip.h"

namespace vpn::control {

enum class AuthMode {
  kToken,  ///< as drawn above
  kOff,    ///< everyone may call
};

/// The secret that a caller must present. Wipes itself, does not print, compares in constant time.
class BearerToken {
 public:
  static constexpr std::size_t kMinSize = 16;
  static constexpr std::size_t kMaxSize = 1024;

  /// kMinSize to kMaxSize characters of RFC 6750's b64token: letters, digits and -._~+/ with '=' at the end.
  static Result<BearerToken> parse(std::string_view text);

  BearerToken(const BearerToken&) = default;
  BearerToken& operator=(const BearerToken&) = default;
  ~BearerToken();

  /// The time depends on the offered text's length alone.
  bool matches(std::string_view offered) const;

 private:
  explicit BearerToken(std::string_view text) : text_(text) {}

  std::string text_;
};

/// What a listener asks of its callers.
struct AuthPolicy {
  AuthMode mode = AuthMode::kToken;
  bool unix_socket = false;
  bool loopback = true;                   ///< the listener's address is a loopback one
  std::optional<BearerToken> token = {};  ///< on loopback: one that was set
};

/// What a request says about its caller; each of the others empty when the header is absent.
struct CallerHeaders {
  std::optional<std::string_view> host = {};  ///< an empty Host is not an absent one
  std::string_view origin = {};
  std::string_view sec_fetch_site = {};
  std::string_view authorization = {};
};

enum class AuthDecision {
  kAllowed,
  kTokenNeeded,  ///< 401
  kForeignPage,  ///< 403
};

AuthDecision decide(const AuthPolicy& policy, const CallerHeaders& caller);

/// 127.0.0.0/8, ::1 and ::ffff:127.0.0.0/104.
bool is_loopback(const IpAddress& address);

/// A Host header that names this machine itself: localhost, 127.x.y.z or [::1], with or without a port.
bool is_loopback_host(std::string_view host);

}  // namespace vpn::control
