// Which MongoDB server, from settings to a checked address. Plain values; nothing is asked of the network.
#pragma once

#include <mongoc/mongoc.h>

#include <cstdint>
#include <memory>
#include <string>

#include "base/error.h"
#include "control/store/store.h"

namespace vpn::control {

struct MongoOptions {
  /// MONGODB_HOST: a host, hosts separated by commas, or a whole mongodb:// or mongodb+srv:// URI.
  std::string host;
  std::uint16_t port = 27017;  ///< MONGODB_PORT, for hosts that name none
  std::string user;            ///< MONGODB_USER; empty: no authentication, or the URI's
  std::string password;        ///< MONGODB_PASS
  std::string database = "wireguard";
  Access access = Access::kReadWrite;
};

namespace mongodb {

struct UriDeleter {
  void operator()(mongoc_uri_t* uri) const { mongoc_uri_destroy(uri); }
};
using Uri = std::unique_ptr<mongoc_uri_t, UriDeleter>;

/// The server's address with our time limits and guarantees: what the URI says itself of time limits stays, of write
/// concern, read concern and read preference does not. kInvalidArgument with the setting as field, also for an option
/// that the library does not know and would do without; no message repeats what may hold a password.
Result<Uri> parse_uri(const MongoOptions& options);

/// "mongodb at db.example.org:27017, database wireguard": hosts alone, no user, no password, no options.
std::string describe(const mongoc_uri_t& uri, const MongoOptions& options);

}  // namespace mongodb
}  // namespace vpn::control
