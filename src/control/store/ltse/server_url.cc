#include "control/store/ltse/server_url.h"

#include <algorithm>
#include <cstdint>
#include <optional>

#include "base/encoding.h"

namespace vpn::control::ltse {
namespace {

Failure bad_url(const std::string& fault) {
  return fail(ErrorCode::kInvalidArgument, "LTSE_URL " + fault + "; for example http://ltse-api:8080", "LTSE_URL");
}

bool consume(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

/// RFC 3986, section 2.1.
std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    std::uint8_t byte = 0;
    if (i + 2 >= text.size() || !hex_decode(text.substr(i + 1, 2), {&byte, 1})) return std::nullopt;
    out.push_back(static_cast<char>(byte));
    i += 2;
  }
  return out;
}

/// RFC 7617.
std::optional<std::string> basic_authorization(std::string_view userinfo) {
  std::optional<std::string> plain = percent_decode(userinfo);
  if (!plain) return std::nullopt;
  if (plain->find(':') == std::string::npos) plain->push_back(':');
  return "Basic " + base64_encode({reinterpret_cast<const std::uint8_t*>(plain->data()), plain->size()});
}

/// What may stand in a request line and a header as it is.
bool is_plain(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

}  // namespace

std::string ServerUrl::display() const {
  return (tls ? "https://" : "http://") + host_header() + path;
}

std::string ServerUrl::host_header() const {
  const bool default_port = port == (tls ? "443" : "80");
  return (host.find(':') == std::string::npos ? host : "[" + host + "]") + (default_port ? "" : ":" + port);
}

Result<ServerUrl> parse_server_url(std::string_view text) {
  ServerUrl url;
  if (!is_plain(text)) return bad_url("holds a space or a character that a URL may not hold");
  if (consume(text, "https://")) {
    url.tls = true;
  } else if (!consume(text, "http://")) {
    return bad_url("must begin with http:// or https://");
  }
  if (text.find_first_of("?#") != text.npos) return bad_url("may hold no ? and no #");

  const std::size_t slash = std::min(text.find('/'), text.size());
  url.path = text.substr(slash);
  while (url.path.ends_with('/')) url.path.pop_back();
  std::string_view authority = text.substr(0, slash);

  if (const std::size_t at = authority.rfind('@'); at != authority.npos) {
    const auto authorization = basic_authorization(authority.substr(0, at));
    if (!authorization) return bad_url("has a user or password with a % that is no %XX");
    url.authorization = *authorization;
    authority.remove_prefix(at + 1);
  }

  std::string_view port;
  if (consume(authority, "[")) {
    const std::size_t end = authority.find(']');
    if (end == authority.npos) return bad_url("lacks the ] of its IPv6 address");
    url.host = authority.substr(0, end);
    port = authority.substr(end + 1);
  } else {
    const std::size_t colon = std::min(authority.find(':'), authority.size());
    url.host = authority.substr(0, colon);
    port = authority.substr(colon);
  }
  if (url.host.empty()) return bad_url("names no host");
  if (port.empty()) {
    url.port = url.tls ? "443" : "80";
    return url;
  }
  const auto number = consume(port, ":") ? parse_decimal(port, 65535) : std::nullopt;
  if (!number || *number == 0) return bad_url("has a port that is none");
  url.port = std::to_string(*number);
  return url;
}

}  // namespace vpn::control::ltse
