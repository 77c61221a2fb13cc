// The documents of the collection `peers`: the original enabler's, and ours, which the original can read. Pure.
//
//   clientPublicKey  string   base64                                      the original's five
//   presharedKey     string   base64; ours without one: zeros, which WireGuard takes as none
//   clientIP         double   IPv4 as an unsigned 32-bit number (read: any number)
//   allowedIPs       string
//   enabled          bool
//   _id              string   the public key: ours alone, so that the server itself keeps keys unique
//   createdAt        int64    nanoseconds since 1970: ours alone; the unique indexes hold where it is (that of names:
//                             where there is a name too)
//   name             string   when there is one
//   writeId          ObjectId who wrote it last (stamp.h); also on an original's document that we changed
//   takenBack        date     no client: an insertion with an unknown end was undone here. Removed by the server later
#pragma once

#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "control/model/client.h"
#include "control/store/mongodb/document.h"
#include "control/store/mongodb/stamp.h"

namespace vpn::control::mongodb {

struct Peer {
  Document id;  ///< its `_id` alone, whatever type that has: what finds this document and no other
  std::optional<bson_oid_t> object_id;
  std::optional<Stamp> stamp;
  bool ours = false;
  bool taken_back = false;
  std::optional<PublicKey> key;
  Client client;      ///< whole when `fault` is empty; else what could be read
  std::string fault;  ///< why this is no client: a line that names the document

  bool is_client() const { return fault.empty() && !taken_back; }
  /// Of several documents of one key the highest holds the client, of equals the last in natural order: one that is
  /// enabled, as for the original at its start; else one that we wrote.
  int rank() const { return client.enabled ? 2 : stamp ? 1 : 0; }
  /// Finds this document as long as nobody has written it since.
  Document unchanged() const;
};

Peer parse_peer(const bson_t& document);
Document to_document(const Client& client, const Stamp& stamp);

/// What is known of some keys, addresses and names.
class Peers {
 public:
  void add(Peer peer);
  /// Of the documents with this key, the one that holds the client; null when there is none.
  const Peer* holder(const PublicKey& key) const;
  /// Every document with this key, in natural order.
  std::vector<const Peer*> all(const PublicKey& key) const;
  bool empty() const { return peers_.empty(); }
  const std::vector<Peer>& every() const { return peers_; }

 private:
  std::vector<Peer> peers_;
  std::unordered_map<PublicKey, std::vector<std::size_t>> by_key_;
};

}  // namespace vpn::control::mongodb
