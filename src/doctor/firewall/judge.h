// What becomes of a packet under a ruleset. Where a rule asks what we do not know of the packet, both answers count, so
// the outcome is certain only when every way ends alike. Pure.
#pragma once

#include <string>

#include "doctor/firewall/packet.h"
#include "doctor/firewall/ruleset.h"

namespace vpn::doctor::firewall {

/// Where packets are dropped.
struct Place {
  const Table* table = nullptr;
  std::string base_chain;  ///< the hook's
  std::string chain;       ///< whose rule drops; the base chain when it is its policy
  bool by_policy = false;
};

enum class Fate {
  kPasses,
  kPartly,   ///< some of such packets may be dropped; those of some addresses or ports perhaps
  kDropped,  ///< all of them
};

struct Judgement {
  Fate fate = Fate::kPasses;
  Place place = {};  ///< where, when not all pass
};

/// Through the chains of every table but those named `except`, at the hooks that the packet meets.
Judgement judge(const Ruleset& ruleset, const Packet& packet, const std::string& except);

}  // namespace vpn::doctor::firewall
