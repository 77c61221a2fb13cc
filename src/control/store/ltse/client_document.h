// A client as a document of the index: the original's five fields as it wrote them, and ours beside them. Pure.
//
//   clientPublicKey  text    44 characters of base64
//   presharedKey     text    the same; 32 zero bytes for none, which is what none means in WireGuard. Of the original
//                            also absent, empty or "undefined"
//   clientIP         number  the IPv4 address as an unsigned 32-bit integer
//   allowedIPs       text
//   enabled          boolean
//   name             text    ours, absent for none
//   createdAt        number  ours: nanoseconds since 1970
//   attempt          text    ours: which insertion wrote it; its reservations carry the same
//   confirmed        boolean ours: it was enabled or disabled since, so it counts, however its insertion was answered
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/key.h"
#include "control/model/client.h"
#include "control/store/ltse/elasticsearch.h"

namespace vpn::control::ltse {

/// The `_id` of a client that we write: 43 characters of URL-safe base64 (RFC 4648, section 5) without padding. An
/// original's document has a random one, of 20 characters.
std::string document_id(const PublicKey& key);

/// 128 random bits in hex: no two insertions have the same.
std::string new_attempt(Random& random);

boost::json::object to_source(const Client& client, std::string_view attempt);

/// A document that is a client.
struct StoredClient {
  Client client;
  std::string attempt;  ///< empty in an original's document
  bool confirmed;       ///< always so in an original's
  Document document;
};

/// kCorrupt with what is wrong, in a few words, when it is none.
Result<StoredClient> parse_client(Document document);

/// Whether `a` wins over `b` where only one of them can be served: the last enabled one, else the newest. The same for
/// every gateway that reads the same.
bool precedes(const StoredClient& a, const StoredClient& b);

/// Whether a document of ours is confirmed.
bool is_confirmed(const boost::json::object& source);

/// The text member, or "".
std::string text_member(const boost::json::object& source, std::string_view name);

}  // namespace vpn::control::ltse
