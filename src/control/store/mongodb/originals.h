// The keys and addresses of the original's documents, which no unique index covers: an insertion looks at the server
// only where it could meet one. What another gateway inserts is covered, so it need not be looked for.
//
// The store's thread alone. As of the last load(), with what was read since; one that was removed may still be known.
#pragma once

#include <unordered_set>

#include "control/model/client.h"
#include "control/store/mongodb/peer.h"

namespace vpn::control::mongodb {

class Originals {
 public:
  void add(const Peer& peer) {
    if (peer.ours || peer.taken_back) return;
    if (peer.key) keys_.insert(*peer.key);
    addresses_.insert(peer.client.address);
  }
  bool may_meet(const Client& client) const {
    return keys_.contains(client.public_key) || addresses_.contains(client.address);
  }

 private:
  std::unordered_set<PublicKey> keys_;
  std::unordered_set<IpAddress> addresses_;
};

}  // namespace vpn::control::mongodb
