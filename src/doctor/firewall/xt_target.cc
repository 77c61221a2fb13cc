#include "doctor/firewall/xt_target.h"

#include <algorithm>
#include <array>

namespace vpn::doctor::firewall {
namespace {

/// They look at a packet, or change it, and let it go on (iptables-extensions(8)).
constexpr auto kLettingPass = std::to_array<std::string_view>(
    {"AUDIT", "CHECKSUM",  "CLASSIFY",    "CONNMARK", "CONNSECMARK", "CT",      "DSCP",    "ECN",
     "HL",    "IDLETIMER", "LOG",         "MARK",     "NFLOG",       "NOTRACK", "RATEEST", "SECMARK",
     "SET",   "TCPMSS",    "TCPOPTSTRIP", "TEE",      "TOS",         "TRACE",   "TTL"});
constexpr auto kAccepting = std::to_array<std::string_view>({"DNAT", "MASQUERADE", "NETMAP", "REDIRECT", "SNAT"});

}  // namespace

Verdict verdict_of_target(std::string_view name) {
  if (name == "REJECT") return {Verdict::Kind::kDrop};
  if (std::ranges::find(kLettingPass, name) != kLettingPass.end()) return {Verdict::Kind::kContinue};
  if (std::ranges::find(kAccepting, name) != kAccepting.end()) return {Verdict::Kind::kAccept};
  return {Verdict::Kind::kUnknown};
}

}  // namespace vpn::doctor::firewall
