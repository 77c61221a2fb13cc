#include "quick/wg_quick_file.h"

#include <linux/rtnetlink.h>

#include <algorithm>
#include <array>
#include <limits>
#include <span>
#include <utility>

#include "base/encoding.h"

namespace vpn::quick {
namespace {

/// What is wrong with a value, as the end of the sentence `KEY="value" ...`; empty when nothing is.
using Fault = std::string;

// The smallest datagram that every IPv4 host takes (RFC 791), and the largest that IP has.
constexpr std::uint64_t kMinMtuBytes = 576;
constexpr std::uint64_t kMaxMtuBytes = 65'535;
constexpr std::size_t kMaxHostBytes = 253;
// A value that an error repeats is cut here.
constexpr std::size_t kMaxShownBytes = 80;

// --- Text ---

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool equal_in_any_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(a, b, {}, lower, lower);
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < ' ' || c == 0x7f;
}

/// As part of a sentence on a terminal.
std::string shown(std::string_view text) {
  std::string copy(text.substr(0, kMaxShownBytes));
  std::ranges::replace_if(copy, is_control, '?');
  return '"' + copy + (text.size() > kMaxShownBytes ? "...\"" : "\"");
}

/// A key that is none of ours. It may be a secret that lost its key: what does not look like a key is not repeated.
std::string shown_key(std::string_view key) {
  constexpr std::size_t kMaxKeyBytes = 24;
  const auto is_letter = [](char c) { return lower(c) >= 'a' && lower(c) <= 'z'; };
  return key.size() <= kMaxKeyBytes && std::ranges::all_of(key, is_letter) ? shown(key) : "what stands before the =";
}

std::string_view take_line(std::string_view& text) {
  const std::size_t end = std::min(text.find('\n'), text.size());
  const std::string_view line = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return line;
}

/// Calls `take` with each entry of a list that commas and spaces separate, until one is at fault.
template <typename Take>
Fault for_each_entry(std::string_view list, Take take) {
  const auto separates = [](char c) { return c == ',' || is_space(c); };
  while (true) {
    while (!list.empty() && separates(list.front())) list.remove_prefix(1);
    if (list.empty()) return {};
    const auto end = static_cast<std::size_t>(std::ranges::find_if(list, separates) - list.begin());
    if (Fault fault = take(list.substr(0, end)); !fault.empty()) return fault;
    list.remove_prefix(end);
  }
}

/// Decimal, or hexadecimal behind 0x.
std::optional<std::uint64_t> parse_number(std::string_view text, std::uint64_t max) {
  if (!text.starts_with("0x") && !text.starts_with("0X")) return parse_decimal(text, max);
  text.remove_prefix(2);
  if (text.empty() || text.size() > 8) return std::nullopt;
  const std::string padded = std::string(8 - text.size(), '0') + std::string(text);
  std::array<std::uint8_t, 4> bytes{};
  if (!hex_decode(padded, bytes)) return std::nullopt;
  const std::uint32_t number = load_be32(bytes.data());
  return number <= max ? std::optional<std::uint64_t>(number) : std::nullopt;
}

// --- Values ---

template <typename Key>
Fault parse_key(std::string_view value, Key& out) {
  const auto key = Key::parse(value);
  if (!key) return "is not a key: 44 base64 characters";
  out = *key;
  return {};
}

Fault parse_private_key(std::string_view value, WgQuickFile& file) {
  if (Fault fault = parse_key(value, file.private_key); !fault.empty()) return fault;
  return file.private_key.is_zero() ? "is all zeros, which is no key" : Fault();
}

Fault parse_u16(std::string_view value, std::uint16_t& out) {
  const auto number = parse_decimal(value, std::numeric_limits<std::uint16_t>::max());
  if (!number) return "is not a number from 0 to 65535";
  out = static_cast<std::uint16_t>(*number);
  return {};
}

Fault parse_fwmark(std::string_view value, WgQuickFile& file) {
  const auto mark =
      equal_in_any_case(value, "off") ? 0 : parse_number(value, std::numeric_limits<std::uint32_t>::max());
  if (!mark) return "is neither off nor a number of 32 bits";
  file.fwmark = static_cast<std::uint32_t>(*mark);
  return {};
}

Fault parse_addresses(std::string_view value, WgQuickFile& file) {
  return for_each_entry(value, [&](std::string_view entry) -> Fault {
    const auto address = IpPrefix::parse(entry);
    if (!address) return "holds " + shown(entry) + ", which is not an address with a prefix length";
    if (file.addresses.size() == kMaxListEntries) return "is one address too many";
    if (std::ranges::find(file.addresses, *address) == file.addresses.end()) file.addresses.push_back(*address);
    return {};
  });
}

bool is_domain(std::string_view name) {
  const auto fits = [](char c) {
    c = lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
  };
  return !name.empty() && name.size() <= kMaxHostBytes && std::ranges::all_of(name, fits);
}

/// An address is a server, anything else a domain to search, as wg-quick decides.
Fault parse_dns(std::string_view value, WgQuickFile& file) {
  return for_each_entry(value, [&](std::string_view entry) -> Fault {
    if (file.dns_servers.size() + file.dns_search.size() == kMaxListEntries) return "is one entry too many";
    if (const auto server = IpAddress::parse(entry)) {
      file.dns_servers.push_back(*server);
    } else if (is_domain(entry) && entry.find_first_not_of("0123456789.") != entry.npos) {
      file.dns_search.emplace_back(entry);
    } else {
      return "holds " + shown(entry) + ", which is neither an IP address nor a domain";
    }
    return {};
  });
}

Fault parse_mtu(std::string_view value, WgQuickFile& file) {
  const auto mtu = parse_decimal(value, kMaxMtuBytes);
  if (!mtu || *mtu < kMinMtuBytes) return "is not a number of bytes from 576 to 65535";
  file.mtu_bytes = static_cast<int>(*mtu);
  return {};
}

Fault parse_table(std::string_view value, WgQuickFile& file) {
  if (equal_in_any_case(value, "auto")) return file.table = {}, Fault();
  if (equal_in_any_case(value, "off")) return file.table = {RoutingTable::Kind::kOff, 0}, Fault();
  const auto number =
      equal_in_any_case(value, "main") ? RT_TABLE_MAIN : parse_number(value, std::numeric_limits<std::uint32_t>::max());
  if (!number || *number == 0) return "is neither auto, off nor the number of a routing table";
  file.table = {RoutingTable::Kind::kNumber, static_cast<std::uint32_t>(*number)};
  return {};
}

Fault parse_save_config(std::string_view value, WgQuickFile& file) {
  file.save_config = equal_in_any_case(value, "true");
  return file.save_config || equal_in_any_case(value, "false") ? "" : "is neither true nor false";
}

Fault parse_allowed_ips(std::string_view value, FilePeer& peer) {
  return for_each_entry(value, [&](std::string_view entry) -> Fault {
    const auto prefix = IpPrefix::parse(entry);
    if (!prefix) return "holds " + shown(entry) + ", which is not a network";
    peer.allowed_ips.push_back(prefix->masked());
    return {};
  });
}

/// What getaddrinfo(3) may be asked for: letters, digits, and for an IPv6 address colons and a zone.
bool is_host(std::string_view host) {
  return IpAddress::parse(host.substr(0, host.find('%'))) || is_domain(host);
}

Fault parse_endpoint(std::string_view value, FilePeer& peer) {
  const std::size_t colon = value.rfind(':');
  if (colon == value.npos) return "has no port";
  const auto port = parse_decimal(value.substr(colon + 1), std::numeric_limits<std::uint16_t>::max());
  if (!port || *port == 0) return "has no port number from 1 to 65535";
  std::string_view host = value.substr(0, colon);
  const bool bracketed = host.starts_with('[') && host.ends_with(']');
  if (bracketed) host = host.substr(1, host.size() - 2);
  const bool is_v6 = host.find(':') != host.npos;
  if (is_v6 != bracketed || !is_host(host) || host.size() > kMaxHostBytes) {
    return "is not an address or a host name with a port";
  }
  peer.endpoint = HostAndPort{std::string(host), static_cast<std::uint16_t>(*port)};
  return {};
}

Fault parse_keepalive(std::string_view value, FilePeer& peer) {
  if (equal_in_any_case(value, "off")) return peer.persistent_keepalive_s = 0, Fault();
  if (!parse_u16(value, peer.persistent_keepalive_s).empty()) return "is neither off nor seconds from 0 to 65535";
  return {};
}

// --- Keys ---

template <typename Section>
struct Key {
  std::string_view name;
  const char* example;
  Fault (*apply)(std::string_view value, Section& section);
  bool secret = false;  ///< its value is not shown
};

constexpr auto kInterfaceKeys = std::to_array<Key<WgQuickFile>>({
    {"PrivateKey", "(what `vpn-enabler genkey` prints)", parse_private_key, true},
    {"ListenPort", "51820",
     [](std::string_view value, WgQuickFile& file) { return parse_u16(value, file.listen_port); }},
    {"FwMark", "0xca6c", parse_fwmark},
    {"Address", "10.8.0.2/24", parse_addresses},
    {"DNS", "10.8.0.1, example.org", parse_dns},
    {"MTU", "1420", parse_mtu},
    {"Table", "auto", parse_table},
    {"SaveConfig", "false", parse_save_config},
});
constexpr std::array<std::string_view, 4> kHookKeys = {"PreUp", "PostUp", "PreDown", "PostDown"};

constexpr auto kPeerKeys = std::to_array<Key<FilePeer>>({
    {"PublicKey", "(what `vpn-enabler pubkey` prints)",
     [](std::string_view value, FilePeer& peer) { return parse_key(value, peer.public_key); }},
    {"PresharedKey", "(what `vpn-enabler genpsk` prints)",
     [](std::string_view value, FilePeer& peer) { return parse_key(value, peer.preshared_key.emplace()); }, true},
    {"AllowedIPs", "10.8.0.0/24", parse_allowed_ips},
    {"Endpoint", "vpn.example.org:51820", parse_endpoint},
    {"PersistentKeepalive", "25", parse_keepalive},
});

Failure at_fault(int line, std::string_view key, const std::string& what) {
  return fail(ErrorCode::kInvalidArgument, "line " + std::to_string(line) + ": " + what, std::string(key));
}

/// kNotFound: no such key among these.
template <typename Section>
Status apply_key(std::span<const Key<Section>> keys, std::string_view name, std::string_view value, int line,
                 Section& section) {
  const auto key = std::ranges::find_if(keys, [&](const auto& each) { return equal_in_any_case(each.name, name); });
  if (key == keys.end()) return fail(ErrorCode::kNotFound, "no such key");
  const Fault fault = key->apply(value, section);
  if (fault.empty()) return {};
  const std::string example = "; for example " + std::string(key->name) + " = " + key->example;
  return at_fault(line, key->name,
                  std::string(key->name) + (key->secret ? " " : "=" + shown(value) + " ") + fault + example);
}

std::string all_names() {
  std::string names;
  const auto add = [&names](std::string_view name) { names += (names.empty() ? "" : ", ") + std::string(name); };
  for (const auto& key : kInterfaceKeys) add(key.name);
  for (const std::string_view key : kHookKeys) add(key);
  names += " of [Interface]; ";
  for (std::size_t i = 0; i < kPeerKeys.size(); ++i) names += (i == 0 ? "" : ", ") + std::string(kPeerKeys.at(i).name);
  return names + " of [Peer]";
}

// --- The file ---

class Parser {
 public:
  Result<WgQuickFile> parse(std::string_view text) {
    if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // a byte order mark, which some editors write
    while (!text.empty()) {
      ++line_;
      if (Status read = read_line(take_line(text)); !read) return fail(read.error());
    }
    settle_comments();
    if (Status ended = end_peer(); !ended) return fail(ended.error());
    if (file_.private_key.is_zero()) {
      return fail(ErrorCode::kInvalidArgument,
                  "[Interface] has no PrivateKey; for example PrivateKey = (what `vpn-enabler genkey` prints)",
                  "PrivateKey");
    }
    return std::move(file_);
  }

 private:
  enum class Section { kNone, kInterface, kPeer };

  Status read_line(std::string_view line) {
    const std::size_t hash = std::min(line.find('#'), line.size());
    const std::string_view content = trimmed(line.substr(0, hash));
    // More than one # decorates.
    std::string_view comment = line.substr(hash);
    while (!comment.empty() && (comment.front() == '#' || is_space(comment.front()))) comment.remove_prefix(1);
    comment = trimmed(comment);
    if (content.empty() && !comment.empty()) return hold_comment(comment), Status();
    if (content.empty()) return settle_comments(), Status();
    if (content.front() == '[') return begin_section(content, comment);
    settle_comments();
    if (section_ == Section::kPeer) add_comment(comment, false);
    header_is_near_ = false;
    return read_key(content);
  }

  Status begin_section(std::string_view header, std::string_view comment) {
    const bool peer = equal_in_any_case(header, "[Peer]");
    if (!peer && !equal_in_any_case(header, "[Interface]")) {
      return at_fault(line_, "", shown(header) + " is neither [Interface] nor [Peer]");
    }
    if (!peer) settle_comments();
    if (Status ended = end_peer(); !ended) return ended;
    section_ = peer ? Section::kPeer : Section::kInterface;
    if (!peer) return {};
    file_.peers.emplace_back().line = line_;
    header_is_near_ = true;
    settle_comments();
    add_comment(comment, true);
    return {};
  }

  void hold_comment(std::string_view comment) {
    if (pending_.size() == kMaxComments) pending_.erase(pending_.begin());  // the nearest to [Peer] count
    pending_.push_back(comment);
  }

  /// Comments that no [Peer] follows belong to the section that they stand in.
  void settle_comments() {
    for (const std::string_view comment : std::exchange(pending_, {})) add_comment(comment, header_is_near_);
  }

  void add_comment(std::string_view comment, bool at_header) {
    if (comment.empty() || file_.peers.empty() || section_ != Section::kPeer) return;
    std::vector<Comment>& comments = file_.peers.back().comments;
    if (comments.size() < kMaxComments)
      comments.push_back({std::string(comment.substr(0, kMaxCommentBytes)), at_header});
  }

  Status read_key(std::string_view content) {
    const std::size_t equals = content.find('=');
    if (equals == content.npos) {
      return at_fault(line_, "", "is not KEY = VALUE; for example ListenPort = 51820");
    }
    const std::string_view key = trimmed(content.substr(0, equals));
    const std::string_view value = trimmed(content.substr(equals + 1));
    if (section_ == Section::kNone) return at_fault(line_, "", shown_key(key) + " stands before [Interface]");
    Status applied = section_ == Section::kPeer ? apply_key<FilePeer>(kPeerKeys, key, value, line_, file_.peers.back())
                                                : apply_interface_key(key, value);
    if (applied || applied.error().code != ErrorCode::kNotFound) return applied;
    return at_fault(line_, "",
                    shown_key(key) + " is no key of " + (section_ == Section::kPeer ? "[Peer]" : "[Interface]") +
                        "; there are " + all_names());
  }

  Status apply_interface_key(std::string_view key, std::string_view value) {
    const auto hook = std::ranges::find_if(kHookKeys, [&](auto name) { return equal_in_any_case(name, key); });
    if (hook == kHookKeys.end()) return apply_key<WgQuickFile>(kInterfaceKeys, key, value, line_, file_);
    if (file_.hooks.size() == kMaxListEntries)
      return at_fault(line_, *hook, std::string(*hook) + " is one line too many");
    file_.hooks.push_back({line_, std::string(*hook), std::string(value)});
    return {};
  }

  Status end_peer() {
    if (section_ != Section::kPeer || !file_.peers.back().public_key.is_zero()) return {};
    return at_fault(file_.peers.back().line, "PublicKey",
                    "this [Peer] has no PublicKey; for example PublicKey = (what `vpn-enabler pubkey` prints)");
  }

  WgQuickFile file_;
  int line_ = 0;
  Section section_ = Section::kNone;
  bool header_is_near_ = false;            // no key yet since [Peer]
  std::vector<std::string_view> pending_;  // comment lines, whose section shows later
};

}  // namespace

Result<WgQuickFile> parse_wg_quick_file(std::string_view text) {
  if (text.size() > kMaxFileBytes) {
    return fail(ErrorCode::kInvalidArgument,
                "larger than " + std::to_string(kMaxFileBytes) + " bytes, not a wg-quick file");
  }
  return Parser().parse(text);
}

}  // namespace vpn::quick
