#include "control/api/auth.h"

#include <algorithm>
#include <utility>

#include "base/bytes.h"
#include "base/encoding.h"
#include "base/secret.h"

namespace vpn::control {
namespace {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return std::ranges::equal(a, b, {}, lower, lower);
}

bool is_token_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~+/").find(c) != std::string_view::npos;
}

ByteView bytes_of(std::string_view text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

// The credentials of "Bearer <token>"; empty when the scheme is another.
std::string_view bearer_credentials(std::string_view authorization) {
  constexpr std::string_view kScheme = "bearer ";
  if (!equal_ignoring_case(authorization.substr(0, kScheme.size()), kScheme)) return {};
  authorization.remove_prefix(kScheme.size());
  authorization.remove_prefix(std::min(authorization.find_first_not_of(' '), authorization.size()));
  return authorization;
}

}  // namespace

Result<BearerToken> BearerToken::parse(std::string_view text) {
  const std::string_view body = text.substr(0, text.find_last_not_of('=') + 1);
  if (text.size() < kMinSize || text.size() > kMaxSize || !std::ranges::all_of(body, is_token_character)) {
    return fail(ErrorCode::kInvalidArgument,
                "the API token must be " + std::to_string(kMinSize) + " to " + std::to_string(kMaxSize) +
                    " characters, letters, digits and -._~+/ with = at the end; `vpn-enabler genpsk` makes one");
  }
  return BearerToken(text);
}

BearerToken::~BearerToken() {
  wipe(text_.data(), text_.size());
}

bool BearerToken::matches(std::string_view offered) const {
  return equal_constant_time(bytes_of(text_), bytes_of(offered));
}

AuthDecision decide(const AuthPolicy& policy, const CallerHeaders& caller) {
  if (policy.unix_socket) return AuthDecision::kAllowed;
  if (policy.mode == AuthMode::kOff) {
    const bool foreign_page = policy.loopback && caller.sec_fetch_site == "cross-site";
    return foreign_page ? AuthDecision::kForeignPage : AuthDecision::kAllowed;
  }
  if (policy.token && policy.token->matches(bearer_credentials(caller.authorization))) return AuthDecision::kAllowed;
  if (!policy.loopback || policy.token) return AuthDecision::kTokenNeeded;

  // Browsers send Sec-Fetch-Site with every request; "none" is the user's own address bar.
  const bool same_site =
      caller.sec_fetch_site.empty() || caller.sec_fetch_site == "same-origin" || caller.sec_fetch_site == "none";
  const bool names_us = !caller.host || is_loopback_host(*caller.host);
  const bool from_here = names_us && caller.origin.empty() && same_site;
  return from_here ? AuthDecision::kAllowed : AuthDecision::kForeignPage;
}

bool is_loopback(const IpAddress& address) {
  if (address.is_v4()) return (address.v4_host_order() >> 24) == 127;
  const auto mapped = IpPrefix::parse("::ffff:127.0.0.0/104");
  return address == IpAddress::parse("::1") || (mapped && mapped->contains(address));
}

bool is_loopback_host(std::string_view host) {
  // The port is digits behind the last colon that stands outside of brackets.
  const std::size_t colon = host.rfind(':');
  const std::size_t bracket = host.rfind(']');
  if (colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket)) {
    if (!parse_decimal(host.substr(colon + 1), 65535)) return false;
    host = host.substr(0, colon);
  }
  if (equal_ignoring_case(host, "localhost") || host == "[::1]") return true;
  const auto address = IpAddress::parse(host);
  return address && address->is_v4() && is_loopback(*address);
}

}  // namespace vpn::control
