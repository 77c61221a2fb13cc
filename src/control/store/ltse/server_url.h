// Where the LTSE is: LTSE_URL taken apart. Pure.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace vpn::control::ltse {

struct ServerUrl {
  bool tls = false;
  std::string host;           ///< a name, or an address without brackets
  std::string port;           ///< decimal
  std::string path;           ///< before every request's own: "" or "/somewhere", no slash at the end
  std::string authorization;  ///< a secret: the Authorization header's value, or empty

  /// "http://ltse-api:8080": for messages, without user and password.
  std::string display() const;
  /// The Host header's value.
  std::string host_header() const;
};

/// http://[user:password@]host[:port][/path] or https. kInvalidArgument, field LTSE_URL, for anything else; the message
/// repeats nothing of the text, which may hold a password.
Result<ServerUrl> parse_server_url(std::string_view text);

}  // namespace vpn::control::ltse
