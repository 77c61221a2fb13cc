#include "tunnel/diff.h"

#include <algorithm>
#include <unordered_map>

namespace vpn::tunnel {
namespace {

std::vector<IpPrefix> as_set(std::vector<IpPrefix> prefixes) {
  std::ranges::sort(prefixes);
  const auto repeated = std::ranges::unique(prefixes);
  prefixes.erase(repeated.begin(), repeated.end());
  return prefixes;
}

bool same_set(const std::vector<IpPrefix>& a, const std::vector<IpPrefix>& b) {
  return a == b || as_set(a) == as_set(b);
}

bool same_key(const std::optional<PresharedKey>& a, const std::optional<PresharedKey>& b) {
  return a.value_or(PresharedKey()) == b.value_or(PresharedKey());
}

}  // namespace

bool is_same(const Peer& a, const Peer& b) {
  return a.persistent_keepalive_s == b.persistent_keepalive_s && same_key(a.preshared_key, b.preshared_key) &&
         same_set(a.allowed_ips, b.allowed_ips);
}

Delta diff(std::span<const Peer> wanted, std::span<const PeerStatus> actual) {
  // What is left in here at the end is wanted by nobody.
  std::unordered_map<PublicKey, const Peer*> unmatched;
  unmatched.reserve(actual.size());
  for (const PeerStatus& status : actual) unmatched.emplace(status.peer.public_key, &status.peer);

  Delta delta;
  for (const Peer& peer : wanted) {
    const auto found = unmatched.find(peer.public_key);
    if (found == unmatched.end() || !is_same(peer, *found->second)) delta.set.push_back(peer);
    if (found != unmatched.end()) unmatched.erase(found);
  }
  if (unmatched.empty()) return delta;
  for (const PeerStatus& status : actual) {
    if (unmatched.contains(status.peer.public_key)) delta.remove.push_back(status.peer.public_key);
  }
  return delta;
}

}  // namespace vpn::tunnel
