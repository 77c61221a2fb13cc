#include "doctor/reverse_path_check.h"

#include <algorithm>

#include "doctor/sysctl.h"
#include "host/interface_addresses.h"

namespace vpn::doctor {
namespace {

constexpr std::uint64_t kStrict = 1;

Sysctl rp_filter_of(const std::string& interface) {
  return read_sysctl("net/ipv4/conf/" + interface + "/rp_filter");
}

}  // namespace

ReversePathFacts look_at_reverse_path(const IpAddress& called, const std::string& outside_interface) {
  ReversePathFacts facts{.called_interface = {}, .outside_interface = outside_interface};
  const auto addresses = host::interface_addresses();
  if (!addresses || !called.is_v4()) return facts;  // IPv6 has no such switch
  const auto has_it = [&](const host::InterfaceAddress& entry) { return entry.prefix.address == called; };
  const auto entry = std::ranges::find_if(*addresses, has_it);
  if (entry == addresses->end()) return facts;
  facts.called_interface = entry->interface_name;
  // The larger one counts (Documentation/networking/ip-sysctl.rst).
  facts.strict = std::max(rp_filter_of("all").value, rp_filter_of(facts.called_interface).value).value_or(0) == kStrict;
  return facts;
}

Finding judge_reverse_path(const ReversePathFacts& facts) {
  const std::string name = "rp_filter";
  const std::string& called = facts.called_interface;
  const std::string& outside = facts.outside_interface;
  if (called.empty() || outside.empty() || called == outside) return {name, State::kOk, "drops nothing of ours"};
  if (!facts.strict) return {name, State::kOk, "lets in what comes by " + called + " and is answered by " + outside};
  const Sysctl sysctl = rp_filter_of(called);
  return {name, State::kBroken,
          "clients call an address of " + called + " and are answered by " + outside + ": " + sysctl.name +
              ", strict, drops what they send",
          command("sysctl -w " + sysctl.name + "=2")};
}

}  // namespace vpn::doctor
