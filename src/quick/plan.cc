#include "quick/plan.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <unordered_map>

namespace vpn::quick {
namespace {

constexpr int kOverheadBytes = 40 + 8 + 32;
// The smallest that IPv4 must carry (RFC 791).
constexpr int kMinMtuBytes = 576;
constexpr std::uint32_t kFirstRuleOfKernel = 32'766;  // to the main table, which some remove

engine::protocol::PeerUpdate plan_peer(const FilePeer& peer, const std::optional<Endpoint>& endpoint) {
  engine::protocol::PeerUpdate update;
  update.public_key = peer.public_key;
  update.preshared_key = peer.preshared_key;
  update.endpoint = endpoint;
  update.persistent_keepalive_s = peer.persistent_keepalive_s;
  update.replace_allowed_ips = true;
  for (const IpPrefix& prefix : peer.allowed_ips) update.allowed_ips.push_back({prefix});
  return update;
}

/// A route comes with the interface's address.
bool is_connected(const WgQuickFile& file, const IpPrefix& prefix) {
  return std::ranges::any_of(file.addresses, [&](const IpPrefix& own) {
    const bool has_route = own.address.is_v6() || own.length < own.address.bit_count();
    return has_route && own.length <= prefix.length && own.contains(prefix.address);
  });
}

}  // namespace

Result<engine::protocol::InterfaceUpdate> plan_interface(const WgQuickFile& file, const Endpoints& endpoints,
                                                         std::uint32_t fwmark) {
  engine::protocol::InterfaceUpdate update;
  update.private_key = file.private_key;
  update.listen_port = file.listen_port;
  update.fwmark = fwmark;
  update.replace_peers = true;
  std::unordered_map<PublicKey, int> lines;
  for (std::size_t i = 0; i < file.peers.size(); ++i) {
    const FilePeer& peer = file.peers[i];
    if (const auto [first, fresh] = lines.emplace(peer.public_key, peer.line); !fresh) {
      return fail(ErrorCode::kInvalidArgument,
                  "line " + std::to_string(peer.line) + ": this [Peer] has the PublicKey of that in line " +
                      std::to_string(first->second) + "; make one of them",
                  "PublicKey");
    }
    update.peers.push_back(plan_peer(peer, endpoints.at(i)));
  }
  return update;
}

RoutePlan plan_routes(const WgQuickFile& file) {
  RoutePlan plan;
  const bool is_auto = file.table.kind == RoutingTable::Kind::kAuto;
  plan.table = is_auto ? std::uint32_t{RT_TABLE_MAIN} : file.table.number;
  if (file.table.kind == RoutingTable::Kind::kOff) return plan;
  std::vector<IpPrefix> prefixes;
  for (const FilePeer& peer : file.peers) {
    prefixes.insert(prefixes.end(), peer.allowed_ips.begin(), peer.allowed_ips.end());
  }
  std::ranges::sort(prefixes, [](const IpPrefix& a, const IpPrefix& b) {
    return a.length != b.length ? a.length > b.length : a.address < b.address;
  });
  prefixes.erase(std::unique(prefixes.begin(), prefixes.end()), prefixes.end());
  for (const IpPrefix& prefix : prefixes) {
    if (is_auto && prefix.length == 0) {
      plan.defaults.push_back(prefix);
    } else if (!is_auto || !is_connected(file, prefix)) {
      plan.routes.push_back(prefix);
    }
  }
  return plan;
}

Result<std::vector<host::PolicyRule>> plan_rules(IpFamily family, std::uint32_t table,
                                                 std::span<const std::uint32_t> taken_priorities) {
  std::uint32_t lowest = kFirstRuleOfKernel;
  for (const std::uint32_t priority : taken_priorities) {
    if (priority != 0) lowest = std::min(lowest, priority);  // 0 is the local table's, before all
  }
  if (lowest <= 2) {
    return fail(ErrorCode::kExhausted,
                "there is no room for two routing rules before all others: `ip rule` shows them");
  }
  return std::vector<host::PolicyRule>{
      {.family = family, .priority = lowest - 1, .table = table, .unless_mark = table},
      {.family = family, .priority = lowest - 2, .table = RT_TABLE_MAIN, .without_default = true}};
}

int tunnel_mtu(int outer_mtu_bytes) {
  return std::max(outer_mtu_bytes - kOverheadBytes, kMinMtuBytes);
}

}  // namespace vpn::quick
