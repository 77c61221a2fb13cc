#include "doctor/conntrack_check.h"

#include "doctor/proc.h"

namespace vpn::doctor {
namespace {

constexpr std::uint64_t kNearlyFullPercent = 90;

}  // namespace

ConntrackFacts look_at_conntrack() {
  return {read_number("/proc/sys/net/netfilter/nf_conntrack_count"),
          read_number("/proc/sys/net/netfilter/nf_conntrack_max")};
}

Finding judge_conntrack(const ConntrackFacts& facts) {
  const std::string name = "conntrack";
  // A limit of 0 is none.
  if (!facts.count || !facts.limit || *facts.limit == 0) return {name, State::kOk, "limits nothing"};
  const std::uint64_t percent = *facts.count * 100 / *facts.limit;
  const std::string held = std::to_string(*facts.count) + " of " + std::to_string(*facts.limit) + " connections";
  if (percent < kNearlyFullPercent) return {name, State::kOk, held};
  const bool full = *facts.count >= *facts.limit;
  return {name, full ? State::kBroken : State::kWarning,
          held + (full ? ": the table is full, and new ones are dropped" : ": the table is nearly full"),
          command("sysctl -w net.netfilter.nf_conntrack_max=" + std::to_string(*facts.limit * 2),
                  "the same on the node: the limit is one for the whole machine")};
}

}  // namespace vpn::doctor
