// A wg-quick file (wg-quick(8), wg(8)) as typed values. Nothing is resolved, run or looked up.
//
// What stock wg-quick takes is taken, and means the same: keys in any case, # comments, lists with commas or repeated
// keys, of a key that stands twice the later one. What it would only find out while the interface is half made is an
// error here. Pure; the caller wipes the text, which holds keys.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/ip.h"
#include "base/key.h"

namespace vpn::quick {

/// A longer text is a mistake: this holds more than 65,000 peers.
constexpr std::size_t kMaxFileBytes = std::size_t{16} << 20;
/// Of addresses, DNS entries and hooks, each.
constexpr std::size_t kMaxListEntries = 1024;
/// Of a peer's comments. Longer ones are cut, more are left out: they are only looked at for a name.
constexpr std::size_t kMaxComments = 8;
constexpr std::size_t kMaxCommentBytes = 256;

/// A line that wg-quick would have a shell run: PreUp, PostUp, PreDown, PostDown.
struct Hook {
  int line = 0;
  std::string key;  ///< as wg-quick(8) spells it
  std::string command;
};

/// Where a peer is called: an address or a host name, still to be looked up.
struct HostAndPort {
  std::string host;  ///< without brackets
  std::uint16_t port = 0;
};

struct Comment {
  std::string text;        ///< without its # and the spaces around it
  bool at_header = false;  ///< right above [Peer], behind it, or right below
};

struct FilePeer {
  int line = 0;  ///< of its [Peer]
  PublicKey public_key;
  std::optional<PresharedKey> preshared_key;
  std::vector<IpPrefix> allowed_ips;  ///< masked
  std::optional<HostAndPort> endpoint;
  std::uint16_t persistent_keepalive_s = 0;  ///< 0: off
  std::vector<Comment> comments;
};

/// Where routes go: `Table`.
struct RoutingTable {
  enum class Kind { kAuto, kOff, kNumber };
  Kind kind = Kind::kAuto;
  std::uint32_t number = 0;  ///< of kNumber
};

struct WgQuickFile {
  PrivateKey private_key;         ///< never none
  std::uint16_t listen_port = 0;  ///< 0: any
  std::uint32_t fwmark = 0;       ///< 0: none
  std::vector<IpPrefix> addresses;
  std::vector<IpAddress> dns_servers;
  std::vector<std::string> dns_search;
  std::optional<int> mtu_bytes;
  RoutingTable table;
  bool save_config = false;
  std::vector<Hook> hooks;
  std::vector<FilePeer> peers;
};

/// kInvalidArgument with the key as field, and in the message the line, the fault and a right example; a key's value is
/// never part of it.
Result<WgQuickFile> parse_wg_quick_file(std::string_view text);

}  // namespace vpn::quick
