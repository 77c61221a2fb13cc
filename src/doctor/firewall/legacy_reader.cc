#include "doctor/firewall/legacy_reader.h"

#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/netfilter_ipv6/ip6_tables.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <cstring>
#include <sstream>

#include "base/unique_fd.h"
#include "cli/small_file.h"
#include "doctor/firewall/xt_target.h"

namespace vpn::doctor::firewall {
namespace {

constexpr std::size_t kMaxNamesBytes = 4096;
constexpr std::size_t kMaxEntriesBytes = std::size_t{64} * 1024 * 1024;
/// A rule that changes nothing else drops nothing either.
constexpr std::array<std::string_view, 3> kTablesThatDrop = {"filter", "mangle", "raw"};
constexpr std::array<const char*, 5> kHookNames = {"PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"};
constexpr std::string_view kStandardTarget;         // a verdict
constexpr std::string_view kChainTarget = "ERROR";  // the head of a user's chain, which holds its name

template <typename T>
T read_at(ByteView bytes, std::size_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof value);
  return value;
}

std::string name_at(ByteView bytes, std::size_t offset, std::size_t max_size) {
  const auto* const text = reinterpret_cast<const char*>(bytes.data() + offset);
  return {text, strnlen(text, std::min(max_size, bytes.size() - offset))};
}

Failure broken(const std::string& table) {
  return fail(ErrorCode::kCorrupt, "the entries of the iptables-legacy table " + table + " do not add up");
}

// --- What differs between the families. The requests have the same numbers, their structures the same form. ---

/// The name of an interface as iptables writes it: what the mask leaves out is a '+'.
std::string interface_pattern(const char (&name)[IFNAMSIZ], const unsigned char (&mask)[IFNAMSIZ]) {
  if (mask[0] == 0) return {};
  const std::string text(name, strnlen(name, IFNAMSIZ));
  const bool whole = text.size() >= IFNAMSIZ || mask[text.size()] != 0;
  return whole ? text : text + "+";
}

/// None for a mask with holes.
std::optional<IpPrefix> prefix_of(const IpAddress& address, ByteView mask) {
  int length = 0, ones = 0;
  for (const std::uint8_t byte : mask) {
    if (length == ones) length += std::countl_one(byte);
    ones += std::popcount(byte);
  }
  if (length != ones) return std::nullopt;
  return IpPrefix{address, static_cast<std::uint8_t>(length)};
}
std::optional<IpPrefix> prefix_of(const in_addr& address, const in_addr& mask) {
  return prefix_of(IpAddress::v4(internal::big(address.s_addr)),
                   {reinterpret_cast<const std::uint8_t*>(&mask), sizeof mask});
}
std::optional<IpPrefix> prefix_of(const in6_addr& address, const in6_addr& mask) {
  return prefix_of(IpAddress::v6_from_bytes(address.s6_addr), {mask.s6_addr, sizeof mask.s6_addr});
}

template <typename Ip>  // ipt_ip or ip6t_ip6
LegacyHeader header_of(const Ip& ip, bool asks_for_protocol, bool fragments_only) {
  const auto source = prefix_of(ip.src, ip.smsk);
  const auto destination = prefix_of(ip.dst, ip.dmsk);
  return {.source = source.value_or(IpPrefix()),
          .destination = destination.value_or(IpPrefix()),
          .prefixes_are_plain = source && destination,
          .in = interface_pattern(ip.iniface, ip.iniface_mask),
          .out = interface_pattern(ip.outiface, ip.outiface_mask),
          .protocol = asks_for_protocol ? ip.proto : std::uint16_t{0},
          .fragments_only = fragments_only,
          .inverted = ip.invflags};
}

struct V4 {
  using Head = ipt_entry;
  static constexpr const char* kFamily = "ip";
  static constexpr const char* kTablesInUse = "/proc/net/ip_tables_names";
  static constexpr int kDomain = AF_INET, kLevel = IPPROTO_IP;
  static LegacyHeader header(const Head& head) { return header_of(head.ip, true, (head.ip.flags & IPT_F_FRAG) != 0); }
  static bool is_goto(const Head& head) { return (head.ip.flags & IPT_F_GOTO) != 0; }
};

struct V6 {
  using Head = ip6t_entry;
  static constexpr const char* kFamily = "ip6";
  static constexpr const char* kTablesInUse = "/proc/net/ip6_tables_names";
  static constexpr int kDomain = AF_INET6, kLevel = IPPROTO_IPV6;
  static LegacyHeader header(const Head& head) {
    return header_of(head.ipv6, (head.ipv6.flags & IP6T_F_PROTO) != 0, false);
  }
  static bool is_goto(const Head& head) { return (head.ipv6.flags & IP6T_F_GOTO) != 0; }
};
static_assert(IPT_SO_GET_INFO == IP6T_SO_GET_INFO && IPT_SO_GET_ENTRIES == IP6T_SO_GET_ENTRIES);
static_assert(sizeof(ipt_getinfo) == sizeof(ip6t_getinfo) && sizeof(ipt_get_entries) == sizeof(ip6t_get_entries));
static_assert(int{IPT_INV_SRCIP} == IP6T_INV_SRCIP && int{IPT_INV_VIA_IN} == IP6T_INV_VIA_IN &&
              int{IPT_INV_PROTO} == IP6T_INV_PROTO);

/// One entry within the table: its fixed part, its matches and its target.
struct Entry {
  std::size_t offset = 0;
  LegacyHeader header;
  bool is_goto = false;
  std::size_t matches_offset = 0;  ///< from the entry's start, and so is the next
  std::size_t target_offset = 0;
  std::size_t size = 0;
  std::string target;  ///< its name
  ByteView target_data;

  std::size_t next() const { return offset + size; }
  std::int32_t verdict() const { return read_at<std::int32_t>(target_data, 0); }
};

/// The entries in their order; empty when they do not add up.
template <typename Family>
std::vector<Entry> split(ByteView bytes) {
  using Head = typename Family::Head;
  constexpr std::size_t kHead = offsetof(Head, elems);
  std::vector<Entry> entries;
  for (std::size_t offset = 0; offset < bytes.size();) {
    if (bytes.size() - offset < kHead) return {};
    const auto head = read_at<Head>(bytes, offset);
    const std::size_t target = head.target_offset;
    const std::size_t size = head.next_offset;
    if (size > bytes.size() - offset || target < kHead || target + sizeof(xt_entry_target) > size) return {};
    constexpr std::size_t kName = offsetof(xt_entry_target, u.user.name);
    Entry entry{.offset = offset,
                .header = Family::header(head),
                .is_goto = Family::is_goto(head),
                .matches_offset = kHead,
                .target_offset = target,
                .size = size,
                .target = name_at(bytes.subspan(offset, size), target + kName, XT_EXTENSION_MAXNAMELEN),
                .target_data =
                    bytes.subspan(offset + target + sizeof(xt_entry_target), size - target - sizeof(xt_entry_target))};
    if (entry.target == kStandardTarget && entry.target_data.size() < sizeof(std::int32_t)) return {};
    offset += size;
    entries.push_back(std::move(entry));
  }
  return entries;
}

bool add_matches(ByteView bytes, const Entry& entry, Rule& rule) {
  std::size_t offset = entry.offset + entry.matches_offset;
  const std::size_t end = entry.offset + entry.target_offset;
  while (offset < end) {
    if (end - offset < sizeof(xt_entry_match)) return false;
    const auto head = read_at<xt_entry_match>(bytes, offset);
    const std::size_t size = head.u.match_size;
    if (size < sizeof(xt_entry_match) || size > end - offset) return false;
    const ByteView info = bytes.subspan(offset + sizeof(xt_entry_match), size - sizeof(xt_entry_match));
    rule.push_back(Match{{head.u.user.name, strnlen(head.u.user.name, XT_EXTENSION_MAXNAMELEN)},
                         head.u.user.revision,
                         {info.begin(), info.end()}});
    offset += size;
  }
  return true;
}

/// Of a negative number: NF_ACCEPT and NF_DROP less one, or XT_RETURN.
Verdict::Kind ending_of(std::int32_t verdict) {
  if (verdict == XT_RETURN) return Verdict::Kind::kReturn;
  if (verdict == -NF_ACCEPT - 1) return Verdict::Kind::kAccept;
  if (verdict == -NF_DROP - 1) return Verdict::Kind::kDrop;
  return Verdict::Kind::kUnknown;
}

using ChainStarts = std::map<std::size_t, std::string>;

Verdict verdict_of(const Entry& entry, const ChainStarts& starts) {
  if (entry.target != kStandardTarget) return verdict_of_target(entry.target);
  const std::int32_t verdict = entry.verdict();
  if (verdict < 0) return {ending_of(verdict)};
  const auto offset = static_cast<std::size_t>(verdict);
  const auto chain = starts.find(offset);
  if (offset == entry.next() || chain == starts.end()) return {Verdict::Kind::kContinue};
  return {entry.is_goto ? Verdict::Kind::kGoto : Verdict::Kind::kJump, chain->second};
}

Result<std::vector<std::string>> tables_in_use(const char* list) {
  const auto text = cli::read_small_file(list, kMaxNamesBytes);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::vector<std::string>();
  if (!text) return fail(text.error());
  std::vector<std::string> names;
  std::istringstream lines(*text);
  for (std::string name; std::getline(lines, name);) {
    if (std::ranges::find(kTablesThatDrop, name) != kTablesThatDrop.end()) names.push_back(name);
  }
  return names;
}

template <typename Family>
Result<Table> parse_table(const std::string& name, const LegacyLayout& layout, ByteView entries) {
  const std::vector<Entry> all = split<Family>(entries);
  if (all.empty()) return broken(name);
  ChainStarts starts;
  Table table{.family = Family::kFamily, .name = name, .legacy = true};
  for (std::uint32_t hook = 0; hook < kHookNames.size(); ++hook) {
    if ((layout.valid_hooks & (1u << hook)) == 0) continue;
    starts[layout.hook_entry[hook]] = kHookNames[hook];
    table.chains[kHookNames[hook]] = Chain{.name = kHookNames[hook], .hook = Hook{.number = hook}};
  }
  for (const Entry& entry : all) {
    if (entry.target != kChainTarget) continue;
    std::string chain = name_at(entry.target_data, 0, XT_FUNCTION_MAXNAMELEN);
    if (entry.next() >= entries.size()) continue;  // the table's end
    table.chains[chain] = Chain{.name = chain};
    starts[entry.next()] = std::move(chain);
  }

  Chain* chain = nullptr;
  for (const Entry& entry : all) {
    if (const auto start = starts.find(entry.offset); start != starts.end()) chain = &table.chains[start->second];
    if (chain == nullptr || entry.target == kChainTarget) continue;
    const Verdict verdict = verdict_of(entry, starts);
    const bool is_policy = chain->hook && layout.policy_entry[chain->hook->number] == entry.offset;
    if (is_policy) {
      chain->hook->drops = verdict.kind == Verdict::Kind::kDrop;
      continue;
    }
    Rule rule{entry.header};
    if (!add_matches(entries, entry, rule)) return broken(name);
    if (verdict.kind != Verdict::Kind::kContinue) rule.push_back(verdict);
    chain->rules.push_back(std::move(rule));
  }
  return table;
}

template <typename Family>
Result<Table> read_table(const std::string& name) {
  const auto failed = [&] { return fail(system_error("cannot read the iptables-legacy table " + name, errno)); };
  const UniqueFd socket(::socket(Family::kDomain, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return failed();
  ipt_getinfo info{};
  name.copy(info.name, sizeof info.name - 1);
  socklen_t size = sizeof info;
  if (::getsockopt(socket.get(), Family::kLevel, IPT_SO_GET_INFO, &info, &size) != 0) return failed();
  if (info.size > kMaxEntriesBytes) return fail(ErrorCode::kExhausted, "the iptables-legacy table is too large");
  // The kernel answers EAGAIN when the table has grown or shrunk since.
  std::vector<std::uint8_t> answer(sizeof(ipt_get_entries) + info.size);
  ipt_get_entries request{};
  name.copy(request.name, sizeof request.name - 1);
  request.size = info.size;
  std::memcpy(answer.data(), &request, sizeof request);
  size = static_cast<socklen_t>(answer.size());
  if (::getsockopt(socket.get(), Family::kLevel, IPT_SO_GET_ENTRIES, answer.data(), &size) != 0) return failed();
  LegacyLayout layout{.valid_hooks = info.valid_hooks};
  std::ranges::copy(info.hook_entry, layout.hook_entry.begin());
  std::ranges::copy(info.underflow, layout.policy_entry.begin());
  return parse_table<Family>(name, layout, ByteView(answer).subspan(sizeof request));
}

template <typename Family>
Status read_tables(Ruleset& ruleset) {
  const auto names = tables_in_use(Family::kTablesInUse);
  if (!names) return fail(names.error());
  for (const std::string& name : *names) {
    auto table = read_table<Family>(name);
    if (!table) return fail(table.error());
    ruleset.push_back(std::move(*table));
  }
  return {};
}

}  // namespace

Result<Table> parse_legacy_table(IpFamily family, const std::string& name, const LegacyLayout& layout,
                                 ByteView entries) {
  return family == IpFamily::kV6 ? parse_table<V6>(name, layout, entries) : parse_table<V4>(name, layout, entries);
}

Result<Ruleset> read_iptables_legacy() {
  Ruleset ruleset;
  Status read = read_tables<V4>(ruleset);
  if (read) read = read_tables<V6>(ruleset);
  if (!read) return fail(std::move(read).error());
  return ruleset;
}

}  // namespace vpn::doctor::firewall
