#include "doctor/firewall/legacy_reader.h"

#include <linux/netfilter.h>
#include <linux/netfilter_ipv4/ip_tables.h>
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

constexpr const char* kTablesInUse = "/proc/net/ip_tables_names";
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

/// One entry within the table: its fixed part, its matches and its target.
struct Entry {
  std::size_t offset = 0;
  ipt_ip ip = {};
  std::size_t target_offset = 0;  ///< from the entry's start
  std::size_t size = 0;
  std::string target;  ///< its name
  ByteView target_data;

  std::size_t next() const { return offset + size; }
  std::int32_t verdict() const { return read_at<std::int32_t>(target_data, 0); }
};

/// The entries in their order; empty when they do not add up.
std::vector<Entry> split(ByteView bytes) {
  constexpr std::size_t kHead = offsetof(ipt_entry, elems);
  std::vector<Entry> entries;
  for (std::size_t offset = 0; offset < bytes.size();) {
    if (bytes.size() - offset < kHead) return {};
    const auto head = read_at<ipt_entry>(bytes, offset);
    const std::size_t target = head.target_offset;
    const std::size_t size = head.next_offset;
    if (size > bytes.size() - offset || target < kHead || target + sizeof(xt_entry_target) > size) return {};
    Entry entry{
        .offset = offset, .ip = head.ip, .target_offset = target, .size = size, .target = {}, .target_data = {}};
    constexpr std::size_t kName = offsetof(xt_entry_target, u.user.name);
    entry.target = name_at(bytes.subspan(offset, size), target + kName, XT_EXTENSION_MAXNAMELEN);
    entry.target_data =
        bytes.subspan(offset + target + sizeof(xt_entry_target), size - target - sizeof(xt_entry_target));
    if (entry.target == kStandardTarget && entry.target_data.size() < sizeof(std::int32_t)) return {};
    entries.push_back(entry);
    offset += size;
  }
  return entries;
}

/// The name of an interface as iptables writes it: what the mask leaves out is a '+'.
std::string interface_pattern(const char (&name)[IFNAMSIZ], const unsigned char (&mask)[IFNAMSIZ]) {
  if (mask[0] == 0) return {};
  const std::string text(name, strnlen(name, IFNAMSIZ));
  const bool whole = text.size() >= IFNAMSIZ || mask[text.size()] != 0;
  return whole ? text : text + "+";
}

std::optional<IpPrefix> prefix_of(const in_addr& address, const in_addr& mask) {
  const std::uint32_t bits = internal::big(mask.s_addr);
  const int length = std::popcount(bits);
  if (length != std::countl_one(bits)) return std::nullopt;
  return IpPrefix{IpAddress::v4(internal::big(address.s_addr)), static_cast<std::uint8_t>(length)};
}

LegacyHeader header_of(const ipt_ip& ip) {
  const auto source = prefix_of(ip.src, ip.smsk);
  const auto destination = prefix_of(ip.dst, ip.dmsk);
  return {.source = source.value_or(IpPrefix()),
          .destination = destination.value_or(IpPrefix()),
          .prefixes_are_plain = source && destination,
          .in = interface_pattern(ip.iniface, ip.iniface_mask),
          .out = interface_pattern(ip.outiface, ip.outiface_mask),
          .protocol = ip.proto,
          .fragments_only = (ip.flags & IPT_F_FRAG) != 0,
          .inverted = ip.invflags};
}

bool add_matches(ByteView bytes, const Entry& entry, Rule& rule) {
  std::size_t offset = entry.offset + offsetof(ipt_entry, elems);
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
  const bool is_goto = (entry.ip.flags & IPT_F_GOTO) != 0;
  return {is_goto ? Verdict::Kind::kGoto : Verdict::Kind::kJump, chain->second};
}

Result<std::vector<std::string>> tables_in_use() {
  const auto text = cli::read_small_file(kTablesInUse, kMaxNamesBytes);
  if (!text && text.error().code == ErrorCode::kNotFound) return std::vector<std::string>();
  if (!text) return fail(text.error());
  std::vector<std::string> names;
  std::istringstream lines(*text);
  for (std::string name; std::getline(lines, name);) {
    if (std::ranges::find(kTablesThatDrop, name) != kTablesThatDrop.end()) names.push_back(name);
  }
  return names;
}

Result<Table> read_table(const std::string& name) {
  const auto failed = [&] { return fail(system_error("cannot read the iptables-legacy table " + name, errno)); };
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket) return failed();
  ipt_getinfo info{};
  name.copy(info.name, sizeof info.name - 1);
  socklen_t size = sizeof info;
  if (::getsockopt(socket.get(), IPPROTO_IP, IPT_SO_GET_INFO, &info, &size) != 0) return failed();
  if (info.size > kMaxEntriesBytes) return fail(ErrorCode::kExhausted, "the iptables-legacy table is too large");
  // The kernel answers EAGAIN when the table has grown or shrunk since.
  std::vector<std::uint8_t> answer(sizeof(ipt_get_entries) + info.size);
  ipt_get_entries request{};
  name.copy(request.name, sizeof request.name - 1);
  request.size = info.size;
  std::memcpy(answer.data(), &request, sizeof request);
  size = static_cast<socklen_t>(answer.size());
  if (::getsockopt(socket.get(), IPPROTO_IP, IPT_SO_GET_ENTRIES, answer.data(), &size) != 0) return failed();
  LegacyLayout layout{.valid_hooks = info.valid_hooks};
  std::ranges::copy(info.hook_entry, layout.hook_entry.begin());
  std::ranges::copy(info.underflow, layout.policy_entry.begin());
  return parse_legacy_table(name, layout, ByteView(answer).subspan(sizeof request));
}

}  // namespace

Result<Table> parse_legacy_table(const std::string& name, const LegacyLayout& layout, ByteView entries) {
  const std::vector<Entry> all = split(entries);
  if (all.empty()) return broken(name);
  ChainStarts starts;
  Table table{.family = "ip", .name = name, .legacy = true};
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
    Rule rule{header_of(entry.ip)};
    if (!add_matches(entries, entry, rule)) return broken(name);
    if (verdict.kind != Verdict::Kind::kContinue) rule.push_back(verdict);
    chain->rules.push_back(std::move(rule));
  }
  return table;
}

Result<Ruleset> read_iptables_legacy() {
  const auto names = tables_in_use();
  if (!names) return fail(names.error());
  Ruleset ruleset;
  for (const std::string& name : *names) {
    auto table = read_table(name);
    if (!table) return fail(table.error());
    ruleset.push_back(std::move(*table));
  }
  return ruleset;
}

}  // namespace vpn::doctor::firewall
