#include "doctor/firewall_check.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "cli/program_name.h"
#include "doctor/firewall/judge.h"
#include "doctor/firewall/legacy_reader.h"
#include "doctor/firewall/nft_reader.h"

namespace vpn::doctor {
namespace {

using firewall::Fate;
using firewall::Judgement;
using firewall::Place;
using firewall::Table;

enum class Owner { kUfw, kFirewalld, kDocker, kIptables, kIptablesLegacy, kNftables };

bool has_chain(const Table& table, std::string_view prefix) {
  return std::ranges::any_of(table.chains, [&](const auto& entry) { return entry.first.starts_with(prefix); });
}

/// By the names that they give their chains. Several may share a table: ufw then has the say, by its defaults.
Owner owner_of(const Place& place) {
  const Table& table = *place.table;
  if (table.name == "firewalld") return Owner::kFirewalld;
  if (has_chain(table, "ufw-")) return Owner::kUfw;
  if (has_chain(table, "DOCKER") && place.base_chain == "FORWARD") return Owner::kDocker;
  if (table.legacy) return Owner::kIptablesLegacy;
  const bool has_iptables_names =
      table.family != "inet" && (place.base_chain == "FORWARD" || place.base_chain == "INPUT");
  return has_iptables_names ? Owner::kIptables : Owner::kNftables;
}

std::string iptables_of(const Place& place) {
  return std::string(place.table->family == "ip6" ? "ip6tables" : "iptables") + (place.table->legacy ? "-legacy" : "");
}

std::string name_of_owner(const Place& place) {
  switch (owner_of(place)) {
    case Owner::kUfw:
      return "ufw";
    case Owner::kFirewalld:
      return "firewalld";
    case Owner::kDocker:
      return "Docker's rules";
    case Owner::kIptables:
    case Owner::kIptablesLegacy:
      return "an " + iptables_of(place) + " rule";
    case Owner::kNftables:
      break;
  }
  return "an nftables rule";
}

std::string describe(const Place& place) {
  const std::string where =
      (place.table->legacy ? iptables_of(place) + " table " : "table " + place.table->family + " ") +
      place.table->name + ", chain " + place.chain;
  return where + (place.by_policy ? ", by its policy" : "");
}

/// What lets clients open connections by the interface, and their answers back.
Cure let_forward(const Place& place, const std::string& interface) {
  const auto both_ways = [&](const std::string& chain) {
    const std::string insert = iptables_of(place) + " -I " + chain;
    return command(insert + " -i " + interface + " -j ACCEPT && " + insert + " -o " + interface +
                   " -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT");
  };
  switch (owner_of(place)) {
    case Owner::kUfw:
      return command("ufw route allow in on " + interface);
    case Owner::kFirewalld:
      return command("firewall-cmd --permanent --zone=trusted --add-interface=" + interface +
                     " && firewall-cmd --reload");
    case Owner::kDocker:
      return both_ways(has_chain(*place.table, "DOCKER-USER") ? "DOCKER-USER" : "FORWARD");
    case Owner::kIptables:
    case Owner::kIptablesLegacy:
      return both_ways(cli::shell_word(place.base_chain) +
                       (place.table->name == "filter" ? "" : " -t " + place.table->name));
    case Owner::kNftables:
      break;
  }
  const std::string insert = "nft insert rule " + place.table->family + " " + cli::shell_word(place.table->name) + " " +
                             cli::shell_word(place.base_chain);
  return command(insert + " iifname " + interface + " accept && " + insert + " oifname " + interface +
                 " ct state established,related accept");
}

Cure let_in(const Place& place, std::uint16_t udp_port) {
  const std::string port = std::to_string(udp_port);
  switch (owner_of(place)) {
    case Owner::kUfw:
      return command("ufw allow " + port + "/udp");
    case Owner::kFirewalld:
      return command("firewall-cmd --permanent --add-port=" + port + "/udp && firewall-cmd --reload");
    case Owner::kDocker:
    case Owner::kIptables:
    case Owner::kIptablesLegacy:
      return command(iptables_of(place) + " -I " + cli::shell_word(place.base_chain) +
                     (place.table->name == "filter" ? "" : " -t " + place.table->name) + " -p udp --dport " + port +
                     " -j ACCEPT");
    case Owner::kNftables:
      break;
  }
  return command("nft insert rule " + place.table->family + " " + cli::shell_word(place.table->name) + " " +
                 cli::shell_word(place.base_chain) + " udp dport " + port + " accept");
}

template <typename CureOf>
Finding finding_of(const std::string& name, const Judgement& judgement, const std::string& what, CureOf cure_of) {
  if (judgement.fate == Fate::kPasses) return {name, State::kOk, "nobody's rules drop " + what};
  const Place& place = judgement.place;
  const std::string who = name_of_owner(place);
  if (judgement.fate == Fate::kPartly) {
    return {name, State::kNote, who + " may drop some of " + what + ": " + describe(place)};
  }
  return {name, State::kBroken, who + " drops " + what + ": " + describe(place), cure_of(place)};
}

/// Why nothing can be said.
std::optional<Finding> obstacle_of(const std::string& name, const FirewallFacts& facts,
                                   const std::string& outside_interface) {
  if (!facts.rules) {
    return Finding{name, State::kNote, "could not be looked at: " + facts.rules.error().message,
                   command("sudo vpn-enabler doctor")};
  }
  if (outside_interface.empty()) {
    return Finding{name, State::kNote, "could not be judged: no interface leads outside"};
  }
  return std::nullopt;
}

std::string of_family(IpFamily family) {
  return family == IpFamily::kV6 ? ", IPv6" : "";
}

}  // namespace

Result<firewall::Ruleset> read_firewalls() {
  auto rules = firewall::read_nftables();
  if (!rules) return rules;
  auto legacy = firewall::read_iptables_legacy();
  if (!legacy) return legacy;
  std::ranges::move(*legacy, std::back_inserter(*rules));
  return rules;
}

Finding judge_way_in(const FirewallFacts& facts, IpFamily family, const std::string& outside_interface) {
  const std::string name = family == IpFamily::kV6 ? "firewall6_in" : "firewall_in";
  if (auto obstacle = obstacle_of(name, facts, outside_interface)) return *std::move(obstacle);
  const Judgement calls =
      judge(*facts.rules, firewall::to_gateway(family, outside_interface, facts.udp_port), facts.own_table);
  return finding_of(name, calls,
                    "what clients send to UDP port " + std::to_string(facts.udp_port) + " by " + outside_interface +
                        of_family(family),
                    [&](const Place& place) { return let_in(place, facts.udp_port); });
}

Finding judge_way_through(const FirewallFacts& facts, const IpAddress& client, const std::string& outside_interface) {
  const std::string& vpn = facts.vpn_interface;
  const std::string name = client.is_v6() ? "firewall6_through" : "firewall_through";
  if (auto obstacle = obstacle_of(name, facts, outside_interface)) return *std::move(obstacle);
  const auto fate_of = [&](const firewall::Packet& packet) { return judge(*facts.rules, packet, facts.own_table); };
  const Judgement forth = fate_of(firewall::from_client(client, vpn, outside_interface));
  const Judgement back = fate_of(firewall::to_client(client, vpn, outside_interface));
  const Judgement& worse = forth.fate >= back.fate ? forth : back;
  const std::string way = &worse == &forth ? "what clients send to the site, " + vpn + " to " + outside_interface
                                           : "the site's answers to clients, " + outside_interface + " to " + vpn;
  return finding_of(name, worse, way + of_family(client.family()),
                    [&](const Place& place) { return let_forward(place, vpn); });
}

}  // namespace vpn::doctor
