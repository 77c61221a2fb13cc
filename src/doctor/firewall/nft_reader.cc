#include "doctor/firewall/nft_reader.h"

#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nf_tables_compat.h>
#include <linux/netfilter/nfnetlink.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>

#include "doctor/firewall/xt_target.h"
#include "netlink/attributes.h"
#include "netlink/socket.h"

namespace vpn::doctor::firewall {
namespace {

constexpr int kMaxReads = 5;

/// The attributes of a message or a nest, by their types; numbers are big-endian.
class Attributes {
 public:
  explicit Attributes(const nlmsghdr& message) {
    netlink::for_each_attribute(message, sizeof(nfgenmsg), [this](const nlattr& attribute) { note(attribute); });
  }
  explicit Attributes(const nlattr* nest) {
    if (nest == nullptr) return;
    netlink::for_each_attribute(*nest, [this](const nlattr& attribute) { note(attribute); });
  }

  const nlattr* nest(std::size_t type) const { return by_type_[type]; }
  bool has(std::size_t type) const { return by_type_[type] != nullptr; }
  std::string text(std::size_t type) const {
    return has(type) ? std::string(netlink::text_of(*by_type_[type])) : std::string();
  }
  Bytes bytes(std::size_t type) const {
    if (!has(type)) return {};
    const ByteView view = netlink::bytes_of(*by_type_[type]);
    return {view.begin(), view.end()};
  }
  std::uint32_t number(std::size_t type) const {
    std::uint32_t value = 0;
    if (has(type)) netlink::read_into(value, *by_type_[type]);
    return internal::big(value);
  }

 private:
  void note(const nlattr& attribute) {
    if (netlink::type_of(attribute) < by_type_.size()) by_type_[netlink::type_of(attribute)] = &attribute;
  }

  std::array<const nlattr*, 32> by_type_{};
};

std::string_view family_name(std::uint8_t family) {
  switch (family) {
    case NFPROTO_INET:
      return "inet";
    case NFPROTO_IPV4:
      return "ip";
    case NFPROTO_IPV6:
      return "ip6";
    default:
      return {};
  }
}

std::uint8_t family_of(const nlmsghdr& message) {
  return static_cast<const nfgenmsg*>(mnl_nlmsg_get_payload(&message))->nfgen_family;
}

/// Four registers of 16 bytes, by their old numbers, or sixteen of 4.
std::size_t register_offset(std::uint32_t number) {
  return number >= NFT_REG32_00 ? (number - NFT_REG32_00) * 4 : (std::max(number, 1u) - NFT_REG_1) * 16;
}

Verdict verdict_of(const nlattr* nest) {
  const Attributes attributes(nest);
  const auto code = static_cast<std::int32_t>(attributes.number(NFTA_VERDICT_CODE));
  const std::string chain = attributes.text(NFTA_VERDICT_CHAIN);
  switch (code) {
    case NFT_CONTINUE:
    case NFT_BREAK:
      return {Verdict::Kind::kContinue};
    case NFT_JUMP:
      return {Verdict::Kind::kJump, chain};
    case NFT_GOTO:
      return {Verdict::Kind::kGoto, chain};
    case NFT_RETURN:
      return {Verdict::Kind::kReturn};
    case NF_ACCEPT:
      return {Verdict::Kind::kAccept};
    case NF_DROP:
      return {Verdict::Kind::kDrop};
    default:
      return {Verdict::Kind::kUnknown};
  }
}

/// Of a nest NFTA_*_DATA.
Bytes value_of(const nlattr* nest) {
  return Attributes(nest).bytes(NFTA_DATA_VALUE);
}

// --- Expressions ---

Expression read_payload(const Attributes& data) {
  using Base = LoadPayload::Base;
  const std::uint32_t base = data.number(NFTA_PAYLOAD_BASE);
  if (!data.has(NFTA_PAYLOAD_DREG)) return Verdict{};  // it writes to the packet
  return LoadPayload{base == NFT_PAYLOAD_NETWORK_HEADER     ? Base::kNetwork
                     : base == NFT_PAYLOAD_TRANSPORT_HEADER ? Base::kTransport
                                                            : Base::kOther,
                     data.number(NFTA_PAYLOAD_OFFSET), data.number(NFTA_PAYLOAD_LEN),
                     register_offset(data.number(NFTA_PAYLOAD_DREG))};
}

Expression read_fib(const Attributes& data) {
  const std::size_t to = register_offset(data.number(NFTA_FIB_DREG));
  const bool is_destination_type =
      data.number(NFTA_FIB_RESULT) == NFT_FIB_RESULT_ADDRTYPE && data.number(NFTA_FIB_FLAGS) == NFTA_FIB_F_DADDR;
  return is_destination_type ? Expression(LoadDestinationType{to}) : LoadUnknown{to};
}

Expression read_immediate(const Attributes& data) {
  const Attributes value(data.nest(NFTA_IMMEDIATE_DATA));
  if (value.has(NFTA_DATA_VERDICT)) return verdict_of(value.nest(NFTA_DATA_VERDICT));
  return LoadValue{value.bytes(NFTA_DATA_VALUE), register_offset(data.number(NFTA_IMMEDIATE_DREG))};
}

Expression read_bitwise(const Attributes& data) {
  const std::size_t to = register_offset(data.number(NFTA_BITWISE_DREG));
  if (data.number(NFTA_BITWISE_OP) != NFT_BITWISE_BOOL) return LoadUnknown{to};
  return Bitwise{register_offset(data.number(NFTA_BITWISE_SREG)), to, value_of(data.nest(NFTA_BITWISE_MASK)),
                 value_of(data.nest(NFTA_BITWISE_XOR))};
}

Expression read_lookup(const Attributes& data) {
  Lookup lookup{.set = data.text(NFTA_LOOKUP_SET),
                .from = register_offset(data.number(NFTA_LOOKUP_SREG)),
                .inverted = (data.number(NFTA_LOOKUP_FLAGS) & NFT_LOOKUP_F_INV) != 0};
  if (data.has(NFTA_LOOKUP_DREG)) {
    const std::uint32_t to = data.number(NFTA_LOOKUP_DREG);
    lookup.gives_verdict = to == NFT_REG_VERDICT;
    if (!lookup.gives_verdict) lookup.to = register_offset(to);
  }
  return lookup;
}

/// Those that decide nothing are a verdict that goes on.
Expression read_expression(const nlattr* nest) {
  const Attributes expression(nest);
  const std::string name = expression.text(NFTA_EXPR_NAME);
  const Attributes data(expression.nest(NFTA_EXPR_DATA));
  if (name == "payload") return read_payload(data);
  if (name == "meta" && data.has(NFTA_META_DREG)) {
    return LoadMeta{data.number(NFTA_META_KEY), register_offset(data.number(NFTA_META_DREG))};
  }
  if (name == "ct" && data.has(NFTA_CT_DREG)) {
    return LoadConntrack{data.number(NFTA_CT_KEY), register_offset(data.number(NFTA_CT_DREG))};
  }
  if (name == "fib") return read_fib(data);
  if (name == "immediate") return read_immediate(data);
  if (name == "bitwise") return read_bitwise(data);
  if (name == "cmp") {
    return Compare{register_offset(data.number(NFTA_CMP_SREG)), data.number(NFTA_CMP_OP),
                   value_of(data.nest(NFTA_CMP_DATA))};
  }
  if (name == "range") {
    return InRange{register_offset(data.number(NFTA_RANGE_SREG)), data.number(NFTA_RANGE_OP) == NFT_RANGE_NEQ,
                   value_of(data.nest(NFTA_RANGE_FROM_DATA)), value_of(data.nest(NFTA_RANGE_TO_DATA))};
  }
  if (name == "lookup") return read_lookup(data);
  if (name == "match") {
    return Match{data.text(NFTA_MATCH_NAME), data.number(NFTA_MATCH_REV), data.bytes(NFTA_MATCH_INFO)};
  }
  if (name == "target") return verdict_of_target(data.text(NFTA_TARGET_NAME));
  if (name == "reject") return Verdict{Verdict::Kind::kDrop};
  if (name == "queue" || name == "tproxy" || name == "synproxy") return Verdict{Verdict::Kind::kUnknown};
  if (name == "nat" || name == "masq" || name == "redir") return Verdict{Verdict::Kind::kAccept};
  if (name == "byteorder") return LoadUnknown{register_offset(data.number(NFTA_BYTEORDER_DREG))};
  if (name == "rt") return LoadUnknown{register_offset(data.number(NFTA_RT_DREG))};
  if (name == "socket") return LoadUnknown{register_offset(data.number(NFTA_SOCKET_DREG))};
  if (name == "numgen") return LoadUnknown{register_offset(data.number(NFTA_NG_DREG))};
  if (name == "hash") return LoadUnknown{register_offset(data.number(NFTA_HASH_DREG))};
  if (name == "exthdr" && data.has(NFTA_EXTHDR_DREG)) {
    return LoadUnknown{register_offset(data.number(NFTA_EXTHDR_DREG))};
  }
  constexpr auto kDecidingNothing = std::to_array<std::string_view>(
      {"counter", "ct", "exthdr", "flow_offload", "last", "log", "meta", "notrack", "objref", "dup", "fwd"});
  const bool decides_nothing = std::ranges::find(kDecidingNothing, name) != kDecidingNothing.end();
  return decides_nothing ? Expression(Verdict{}) : UnknownMatch{};  // limit, quota, connlimit, and what is new
}

Rule read_rule(const nlattr* expressions) {
  Rule rule;
  if (expressions == nullptr) return rule;
  netlink::for_each_attribute(*expressions, [&](const nlattr& nest) {
    Expression expression = read_expression(&nest);
    const auto* verdict = std::get_if<Verdict>(&expression);
    if (verdict != nullptr && verdict->kind == Verdict::Kind::kContinue) return;
    rule.push_back(std::move(expression));
  });
  return rule;
}

// --- Dumps ---

class Reader {
 public:
  explicit Reader(netlink::Socket socket) : socket_(std::move(socket)) {}

  netlink::Outcome read() {
    netlink::Outcome outcome = dump(NFT_MSG_GETTABLE, [this](const nlmsghdr& message) { take_table(message); });
    if (outcome.ok()) outcome = dump(NFT_MSG_GETCHAIN, [this](const nlmsghdr& message) { take_chain(message); });
    if (outcome.ok()) outcome = dump(NFT_MSG_GETRULE, [this](const nlmsghdr& message) { take_rule(message); });
    if (outcome.ok()) outcome = dump(NFT_MSG_GETSET, [this](const nlmsghdr& message) { take_set(message); });
    for (auto& [place, table] : tables_) {
      for (auto& [name, set] : table.sets) {
        if (outcome.ok() && set.known) outcome = read_elements(place.first, place.second, name, set);
      }
    }
    return outcome;
  }

  bool has_too_many_rules() const { return rule_count_ > kMaxRules; }

  Ruleset take() {
    Ruleset ruleset;
    for (auto& [place, table] : tables_) ruleset.push_back(std::move(table));
    return ruleset;
  }

 private:
  template <typename Take>
  netlink::Outcome dump(int message_type, Take take) {
    netlink::Request request(static_cast<std::uint16_t>((NFNL_SUBSYS_NFTABLES << 8) | message_type), NLM_F_DUMP);
    request.put_fixed_part<nfgenmsg>().version = NFNETLINK_V0;
    return socket_.transact(request, [&](const nlmsghdr& message) {
      take(message);
      return !has_too_many_rules();
    });
  }

  netlink::Outcome read_elements(std::uint8_t family, const std::string& table, const std::string& name, Set& set) {
    netlink::Request request((NFNL_SUBSYS_NFTABLES << 8) | NFT_MSG_GETSETELEM, NLM_F_DUMP);
    auto& header = request.put_fixed_part<nfgenmsg>();
    header.version = NFNETLINK_V0;
    header.nfgen_family = family;
    request.put_text(NFTA_SET_ELEM_LIST_TABLE, table);
    request.put_text(NFTA_SET_ELEM_LIST_SET, name);
    netlink::Outcome outcome = socket_.transact(request, [&set](const nlmsghdr& message) {
      const nlattr* elements = Attributes(message).nest(NFTA_SET_ELEM_LIST_ELEMENTS);
      if (elements == nullptr) return true;
      netlink::for_each_attribute(*elements, [&set](const nlattr& nest) { take_element(&nest, set); });
      return true;
    });
    if (!set.known) set.elements.clear();
    return outcome;
  }

  static void take_element(const nlattr* nest, Set& set) {
    const Attributes element(nest);
    const std::uint32_t flags = element.number(NFTA_SET_ELEM_FLAGS);
    // Ranges of several fields, and what holds for all others: not read.
    if (element.has(NFTA_SET_ELEM_KEY_END) || !element.has(NFTA_SET_ELEM_KEY)) set.known = false;
    if (set.elements.size() >= kMaxElements) set.known = false;
    if (!set.known) return;
    set.elements.push_back({value_of(element.nest(NFTA_SET_ELEM_KEY)), (flags & NFT_SET_ELEM_INTERVAL_END) != 0});
    const Attributes data(element.nest(NFTA_SET_ELEM_DATA));
    if (data.has(NFTA_DATA_VERDICT)) set.elements.back().verdict = verdict_of(data.nest(NFTA_DATA_VERDICT));
  }

  Table* table_of(const nlmsghdr& message, const std::string& name) {
    const auto table = tables_.find({family_of(message), name});
    return table == tables_.end() ? nullptr : &table->second;
  }

  void take_table(const nlmsghdr& message) {
    const Attributes attributes(message);
    const std::string_view family = family_name(family_of(message));
    if (family.empty() || (attributes.number(NFTA_TABLE_FLAGS) & NFT_TABLE_F_DORMANT) != 0) return;
    const std::string name = attributes.text(NFTA_TABLE_NAME);
    tables_.emplace(std::pair(family_of(message), name), Table{.family = std::string(family), .name = name});
  }

  void take_chain(const nlmsghdr& message) {
    const Attributes attributes(message);
    Table* table = table_of(message, attributes.text(NFTA_CHAIN_TABLE));
    if (table == nullptr) return;
    Chain chain{.name = attributes.text(NFTA_CHAIN_NAME)};
    if (attributes.has(NFTA_CHAIN_HOOK)) {
      const Attributes hook(attributes.nest(NFTA_CHAIN_HOOK));
      chain.hook = Hook{hook.number(NFTA_HOOK_HOOKNUM), attributes.number(NFTA_CHAIN_POLICY) == NF_DROP};
    }
    table->chains.emplace(chain.name, std::move(chain));
  }

  void take_rule(const nlmsghdr& message) {
    const Attributes attributes(message);
    Table* table = table_of(message, attributes.text(NFTA_RULE_TABLE));
    if (table == nullptr || ++rule_count_ > kMaxRules) return;
    const auto chain = table->chains.find(attributes.text(NFTA_RULE_CHAIN));
    if (chain != table->chains.end()) {
      chain->second.rules.push_back(read_rule(attributes.nest(NFTA_RULE_EXPRESSIONS)));
    }
  }

  void take_set(const nlmsghdr& message) {
    const Attributes attributes(message);
    Table* table = table_of(message, attributes.text(NFTA_SET_TABLE));
    if (table == nullptr) return;
    const std::uint32_t flags = attributes.number(NFTA_SET_FLAGS);
    table->sets.emplace(attributes.text(NFTA_SET_NAME), Set{.has_intervals = (flags & NFT_SET_INTERVAL) != 0});
  }

  netlink::Socket socket_;
  std::map<std::pair<std::uint8_t, std::string>, Table> tables_;
  std::size_t rule_count_ = 0;
};

}  // namespace

Result<Ruleset> read_nftables() {
  for (int i = 0; i < kMaxReads; ++i) {
    auto socket = netlink::Socket::open(NETLINK_NETFILTER);
    if (!socket && socket.error().code == ErrorCode::kUnsupported) return Ruleset();
    if (!socket) return fail(std::move(socket.error()));
    Reader reader(*std::move(socket));
    const netlink::Outcome outcome = reader.read();
    if (reader.has_too_many_rules()) {
      return fail(ErrorCode::kExhausted, "there are more than " + std::to_string(kMaxRules) + " nftables rules");
    }
    if (outcome.ok()) return reader.take();
    // nfnetlink's answer for a subsystem that is not there.
    if (outcome.error_number == EINVAL || outcome.error_number == EOPNOTSUPP) return Ruleset();
    // Changed meanwhile.
    if (outcome.error_number != EINTR && outcome.error_number != ENOENT) {
      return fail(outcome.error("cannot read the nftables rules"));
    }
  }
  return fail(ErrorCode::kUnavailable, "somebody keeps changing the nftables rules");
}

}  // namespace vpn::doctor::firewall
