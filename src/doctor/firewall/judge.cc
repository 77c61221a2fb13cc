#include "doctor/firewall/judge.h"

#include <linux/netfilter.h>

#include <map>

#include "doctor/firewall/rule_match.h"

namespace vpn::doctor::firewall {
namespace {

// How a walk through a chain may end, one bit each.
using Ends = unsigned;
constexpr Ends kAccepts = 1;
constexpr Ends kDrops = 2;
constexpr Ends kReturns = 4;  // to the chain that jumped here; of a base chain, to its policy

/// The ways through one table.
class Walk {
 public:
  Walk(const Table& table, const Packet& packet) : table_(table), packet_(packet) {}

  Ends through_base(const Chain& chain) {
    const Ends ends = through(chain);
    if ((ends & kReturns) == 0) return ends;
    if (!chain.hook->drops) return (ends & ~kReturns) | kAccepts;
    place_ = {&table_, chain.name, chain.name, true};
    return (ends & ~kReturns) | kDrops;
  }

  /// Where it was dropped last.
  Place place(const Chain& base) const {
    Place place = place_;
    place.base_chain = base.name;
    return place;
  }

 private:
  /// Each chain once, for its end depends on the packet alone.
  Ends through(const Chain& chain) {
    const auto [known, is_new] = ends_.emplace(&chain, kReturns);  // should it lead to itself, which the kernel refuses
    if (is_new) {
      const Ends ends = walk(chain);
      ends_[&chain] = ends;
      return ends;
    }
    return known->second;
  }

  Ends walk(const Chain& chain) {
    Ends ends = 0;
    for (const Rule& rule : chain.rules) {
      const Applied applied = apply(rule, table_, packet_);
      if (applied.applies == Answer::kNo) continue;
      // A way that goes on to the next rule is there unless the rule applies for certain and its verdict is an end.
      bool goes_on = applied.applies == Answer::kUnknown || applied.verdicts.empty();
      for (const Verdict& verdict : applied.verdicts) ends |= follow(chain, verdict, goes_on);
      if (!goes_on) return ends;
    }
    return ends | kReturns;
  }

  /// The ends that a verdict leads to; `goes_on` when it may also lead to the next rule.
  Ends follow(const Chain& chain, const Verdict& verdict, bool& goes_on) {
    using Kind = Verdict::Kind;
    switch (verdict.kind) {
      case Kind::kAccept:
        return kAccepts;
      case Kind::kDrop:
        place_ = {&table_, {}, chain.name, false};
        return kDrops;
      case Kind::kReturn:
        return kReturns;
      case Kind::kContinue:
        goes_on = true;
        return 0;
      case Kind::kUnknown:
        goes_on = true;
        place_ = {&table_, {}, chain.name, false};
        return kAccepts | kDrops;
      case Kind::kJump:
      case Kind::kGoto:
        break;
    }
    const auto target = table_.chains.find(verdict.chain);
    const Ends ends = target == table_.chains.end() ? kReturns : through(target->second);
    if (verdict.kind == Kind::kGoto) return ends;
    if ((ends & kReturns) != 0) goes_on = true;
    return ends & ~kReturns;
  }

  const Table& table_;
  const Packet& packet_;
  std::map<const Chain*, Ends> ends_;
  Place place_;
};

bool meets(const Packet& packet, std::uint32_t hook) {
  return hook == NF_INET_PRE_ROUTING || hook == (packet.to_this_machine ? NF_INET_LOCAL_IN : NF_INET_FORWARD);
}

}  // namespace

Judgement judge(const Ruleset& ruleset, const Packet& packet, const std::string& except) {
  Judgement judgement;
  for (const Table& table : ruleset) {
    if (table.name == except || !table.judges(packet.family)) continue;
    for (const auto& [name, chain] : table.chains) {
      if (!chain.hook || !meets(packet, chain.hook->number)) continue;
      Walk walk(table, packet);
      const Ends ends = walk.through_base(chain);
      if (ends == kDrops) return {Fate::kDropped, walk.place(chain)};
      if ((ends & kDrops) != 0 && judgement.fate == Fate::kPasses) judgement = {Fate::kPartly, walk.place(chain)};
    }
  }
  return judgement;
}

}  // namespace vpn::doctor::firewall
