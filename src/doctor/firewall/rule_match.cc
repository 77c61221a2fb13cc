#include "doctor/firewall/rule_match.h"

#include <linux/if_ether.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter_ipv4/ip_tables.h>
#include <linux/rtnetlink.h>

#include <algorithm>
#include <compare>
#include <cstring>

#include "doctor/firewall/xt_match.h"

namespace vpn::doctor::firewall {
namespace {

constexpr std::size_t kRegisterWord = 4;
constexpr std::size_t kUnknownSize = 16;
constexpr std::size_t kInterfaceNameSize = 16;

template <typename T>
Bytes bytes_of(T value) {
  Bytes bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

std::optional<Bytes> interface_name(const std::string& name) {
  Bytes bytes(kInterfaceNameSize);
  std::copy_n(name.begin(), std::min(name.size(), kInterfaceNameSize - 1), bytes.begin());
  return bytes;
}

/// What a packet for this machine or through it has of these; the rest is not known beforehand.
std::optional<Bytes> meta_value(std::uint32_t key, const Packet& packet) {
  const bool v4 = packet.family == IpFamily::kV4;
  switch (key) {
    case NFT_META_IIFNAME:
      return interface_name(packet.in);
    case NFT_META_OIFNAME:
      return interface_name(packet.out);
    case NFT_META_L4PROTO:
      return bytes_of(packet.protocol);
    case NFT_META_NFPROTO:
      return bytes_of(static_cast<std::uint8_t>(v4 ? NFPROTO_IPV4 : NFPROTO_IPV6));
    case NFT_META_PROTOCOL:
      return bytes_of(internal::big(static_cast<std::uint16_t>(v4 ? ETH_P_IP : ETH_P_IPV6)));
    case NFT_META_PKTTYPE:
      return bytes_of(std::uint8_t{0});  // PACKET_HOST: addressed to this machine's link
    default:
      return std::nullopt;
  }
}

std::optional<Bytes> conntrack_value(std::uint32_t key, const Packet& packet) {
  const bool is_new = packet.state == kStateNew;
  if (key == NFT_CT_STATE) return bytes_of(packet.state);
  if (key == NFT_CT_DIRECTION) return bytes_of(static_cast<std::uint8_t>(is_new ? 0 : 1));
  // Nobody has translated it, nor seen an answer.
  if (key == NFT_CT_STATUS && is_new) return bytes_of(std::uint32_t{0});
  return std::nullopt;
}

Answer is_in(const Bytes& key, const Set& set, std::vector<Verdict>& verdicts) {
  if (!set.known) return Answer::kUnknown;
  const Element* found = nullptr;
  for (const Element& element : set.elements) {
    if (element.key.size() != key.size()) continue;
    const bool fits = set.has_intervals ? element.key <= key : element.key == key;
    // Of intervals the one that begins last; where one ends and the next begins, the beginning.
    if (!fits ||
        (found != nullptr && (element.key < found->key || (element.key == found->key && element.interval_end))))
      continue;
    found = &element;
  }
  if (found == nullptr || found->interval_end) return Answer::kNo;
  verdicts = {found->verdict};
  return Answer::kYes;
}

/// '+' at the end of a name is any rest; no name is any.
Answer interface_fits(const std::string& pattern, const std::string& name) {
  if (pattern.empty()) return Answer::kYes;
  if (pattern.back() != '+') return answer_of(pattern == name);
  return answer_of(name.starts_with(std::string_view(pattern).substr(0, pattern.size() - 1)));
}

Answer address_fits(const IpPrefix& prefix, const std::optional<IpAddress>& address) {
  if (prefix.length == 0) return Answer::kYes;
  return address ? answer_of(prefix.contains(*address)) : Answer::kUnknown;
}

/// Runs a rule's expressions one by one until one says no.
class Machine {
 public:
  Machine(const Table& table, const Packet& packet) : table_(table), packet_(packet) {}

  Applied run(const Rule& rule) {
    Applied applied;
    for (const Expression& expression : rule) {
      applied.applies = both(applied.applies, std::visit(*this, expression));
      if (applied.applies == Answer::kNo) return applied;
    }
    applied.verdicts = std::move(verdicts_);
    return applied;
  }

  Answer operator()(const LoadPayload& load) {
    using Base = LoadPayload::Base;
    if (load.base == Base::kOther) return store(load.to, std::nullopt);
    const PartialBytes& header = load.base == Base::kNetwork ? packet_.network : packet_.transport;
    if (const auto known = header.get(load.offset, load.size)) return store(load.to, known);
    registers_.copy(header, load.offset, load.size, load.to);  // iptables asks for both ports at once
    return Answer::kYes;
  }
  Answer operator()(const LoadMeta& load) { return store(load.to, meta_value(load.key, packet_)); }
  Answer operator()(const LoadConntrack& load) { return store(load.to, conntrack_value(load.key, packet_)); }
  Answer operator()(const LoadDestinationType& load) {
    return store(load.to, bytes_of(std::uint32_t{packet_.to_this_machine ? RTN_LOCAL : RTN_UNICAST}));
  }
  Answer operator()(const LoadValue& load) { return store(load.to, load.value); }
  Answer operator()(const LoadUnknown& load) { return store(load.to, std::nullopt); }

  Answer operator()(const Bitwise& bitwise) {
    for (std::size_t i = 0; i < bitwise.mask.size(); ++i) {
      const std::uint8_t flip = i < bitwise.flip.size() ? bitwise.flip[i] : std::uint8_t{0};
      const auto byte = bitwise.mask[i] == 0 ? std::optional(Bytes{0}) : registers_.get(bitwise.from + i, 1);
      registers_.forget(bitwise.to + i, 1);
      if (!byte) continue;
      const auto result = static_cast<std::uint8_t>((byte->front() & bitwise.mask[i]) ^ flip);
      registers_.set(bitwise.to + i, {&result, 1});
    }
    return Answer::kYes;
  }

  Answer operator()(const Compare& compare) const {
    const auto value = registers_.get(compare.from, compare.value.size());
    if (!value) {
      const bool decided = registers_.differ(compare.from, compare.value);
      if (decided && compare.operation == NFT_CMP_EQ) return Answer::kNo;
      if (decided && compare.operation == NFT_CMP_NEQ) return Answer::kYes;
      return Answer::kUnknown;
    }
    const auto order = *value <=> compare.value;
    switch (compare.operation) {
      case NFT_CMP_EQ:
        return answer_of(order == 0);
      case NFT_CMP_NEQ:
        return answer_of(order != 0);
      case NFT_CMP_LT:
        return answer_of(order < 0);
      case NFT_CMP_LTE:
        return answer_of(order <= 0);
      case NFT_CMP_GT:
        return answer_of(order > 0);
      case NFT_CMP_GTE:
        return answer_of(order >= 0);
      default:
        return Answer::kUnknown;
    }
  }

  Answer operator()(const InRange& range) const {
    const auto value = registers_.get(range.from, range.low.size());
    if (!value) return Answer::kUnknown;
    return answer_of((range.low <= *value && *value <= range.high) != range.inverted);
  }

  Answer operator()(const Lookup& lookup) {
    const auto set = table_.sets.find(lookup.set);
    Answer answer = Answer::kUnknown;
    std::vector<Verdict> verdicts;
    if (set != table_.sets.end() && !set->second.elements.empty()) {
      const auto key = registers_.get(lookup.from, set->second.elements.front().key.size());
      if (key) answer = is_in(*key, set->second, verdicts);
    } else if (set != table_.sets.end() && set->second.known) {
      answer = Answer::kNo;
    }
    if (lookup.to) store(*lookup.to, std::nullopt);
    if (lookup.gives_verdict) {
      if (answer == Answer::kUnknown) verdicts = verdicts_of(lookup.set);
      verdicts_ = std::move(verdicts);
    }
    return inverted(answer, lookup.inverted);
  }

  Answer operator()(const Match& match) const { return matches(match, packet_); }

  Answer operator()(const LegacyHeader& header) const {
    const auto is_inverted = [&](unsigned flag) { return (header.inverted & flag) != 0; };
    Answer source = address_fits(header.source, packet_.source());
    Answer destination = address_fits(header.destination, packet_.destination());
    if (!header.prefixes_are_plain) source = destination = Answer::kUnknown;
    const Answer addresses =
        both(inverted(source, is_inverted(IPT_INV_SRCIP)), inverted(destination, is_inverted(IPT_INV_DSTIP)));
    const Answer interfaces = both(inverted(interface_fits(header.in, packet_.in), is_inverted(IPT_INV_VIA_IN)),
                                   inverted(interface_fits(header.out, packet_.out), is_inverted(IPT_INV_VIA_OUT)));
    const Answer protocol = header.protocol == 0
                                ? Answer::kYes
                                : inverted(answer_of(header.protocol == packet_.protocol), is_inverted(IPT_INV_PROTO));
    const Answer fragments = answer_of(!header.fragments_only || is_inverted(IPT_INV_FRAG));
    return both(both(addresses, interfaces), both(protocol, fragments));
  }

  Answer operator()(const UnknownMatch&) const { return Answer::kUnknown; }

  Answer operator()(const Verdict& verdict) {
    verdicts_ = {verdict};
    return Answer::kYes;
  }

 private:
  /// A value fills whole words of registers, the rest of the last one with zeros.
  Answer store(std::size_t to, std::optional<Bytes> value) {
    if (!value) {
      registers_.forget(to, kUnknownSize);
      return Answer::kYes;
    }
    value->resize((value->size() + kRegisterWord - 1) / kRegisterWord * kRegisterWord);
    registers_.set(to, *value);
    return Answer::kYes;
  }

  /// All that a map may say.
  std::vector<Verdict> verdicts_of(const std::string& name) const {
    const auto set = table_.sets.find(name);
    if (set == table_.sets.end() || !set->second.known) return {{Verdict::Kind::kUnknown}};
    std::vector<Verdict> verdicts;
    for (const Element& element : set->second.elements) {
      if (!element.interval_end) verdicts.push_back(element.verdict);
    }
    return verdicts;
  }

  const Table& table_;
  const Packet& packet_;
  PartialBytes registers_;
  std::vector<Verdict> verdicts_;
};

}  // namespace

Applied apply(const Rule& rule, const Table& table, const Packet& packet) {
  return Machine(table, packet).run(rule);
}

}  // namespace vpn::doctor::firewall
