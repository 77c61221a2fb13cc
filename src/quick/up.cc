#include "quick/up.h"

#include <net/if.h>

#include <algorithm>
#include <utility>

#include "host/full_tunnel_rules.h"
#include "host/host.h"
#include "host/link.h"
#include "host/nftables.h"
#include "host/policy_rules.h"
#include "host/resolved.h"
#include "host/routes.h"
#include "host/sysctl.h"
#include "quick/interface.h"
#include "quick/plan.h"
#include "quick/record.h"
#include "quick/saved_config.h"

namespace vpn::quick {
namespace {

// Without a route to the outside.
constexpr int kUsualMtuBytes = 1500;
// wg-quick's: the first number that is tried for a table and a mark, when the file names none.
constexpr std::uint32_t kFirstTable = 51'820;
constexpr std::uint32_t kTablesTried = 256;

// --- Undoing ---

Status run_rules(const Result<std::string>& text) {
  if (!text) return fail(text.error());
  const auto output = host::run_nftables(*text);
  return output ? Status() : fail(output.error());
}

/// All of it, whatever of it fails; the first failure.
Status undo(const Record& record) {
  Status outcome;
  const auto keep = [&outcome](Status done) {
    if (outcome && !done) outcome = std::move(done);
  };
  for (const host::PolicyRule& rule : record.rules) keep(host::remove_policy_rule(rule));
  if (record.has_table) keep(run_rules(host::remove_full_tunnel_text(record.interface_name)));
  keep(remove_interface(record));
  return outcome;
}

Status undo_and_forget(const Record& record, const Records& records) {
  if (Status undone = undo(record); !undone) return undone;
  return records.remove(record.interface_name);
}

// --- What can be said before anything is made ---

/// A sentence about the first hook and how many there are.
std::string describe_hooks(const WgQuickFile& file) {
  const Hook& first = file.hooks.front();
  std::string text = "line " + std::to_string(first.line) + ": " + first.key;
  if (file.hooks.size() > 1) text += ", and " + std::to_string(file.hooks.size() - 1) + " more";
  return text + ": a line for a shell, and no shell is run here";
}

Status check_hooks(const WgQuickFile& file, const UpOptions& options, const Note& note) {
  if (file.hooks.empty()) return {};
  if (options.ignore_hooks) return note(describe_hooks(file) + "; going on without"), Status();
  return fail(
      ErrorCode::kInvalidArgument,
      describe_hooks(file) +
          ". Forwarding and NAT are settings of a gateway: `vpn-enabler import` makes one of this file and says "
          "which. To go on without: --ignore-hooks",
      file.hooks.front().key);
}

Result<Endpoints> resolve_all(const WgQuickFile& file, const NameService& names) {
  Endpoints endpoints;
  for (const FilePeer& peer : file.peers) {
    auto& endpoint = endpoints.emplace_back();
    if (!peer.endpoint) continue;
    const auto resolved = resolve(*peer.endpoint, names);
    if (!resolved) return fail(resolved.error());
    endpoint = *resolved;
  }
  return endpoints;
}

/// The largest way to any peer, as wg-quick reckons: who has a smaller one names it in the file.
int choose_mtu(const WgQuickFile& file, const Endpoints& endpoints) {
  if (file.mtu_bytes) return *file.mtu_bytes;
  int outer = 0;
  for (const auto& endpoint : endpoints) {
    if (endpoint) outer = std::max(outer, host::mtu_towards(endpoint->address).value_or(0));
  }
  if (outer == 0) outer = host::mtu_of_default_route().value_or(kUsualMtuBytes);
  return tunnel_mtu(outer);
}

/// For the default routes' own table, and for the mark that keeps packets out of it.
Result<std::uint32_t> choose_table(const WgQuickFile& file) {
  if (file.fwmark != 0) return file.fwmark;
  for (std::uint32_t table = kFirstTable; table < kFirstTable + kTablesTried; ++table) {
    const auto is_empty = host::is_table_empty(table);
    if (!is_empty) return fail(is_empty.error());
    if (*is_empty) return table;
  }
  return fail(ErrorCode::kExhausted, "no routing table from 51820 on is free; name one with FwMark", "FwMark");
}

// --- Making ---

/// One `up` under way: everything that it needs, decided.
class Bringup {
 public:
  Bringup(const WgQuickFile& file, const UpOptions& options, const Records& records, Logger& logger)
      : file_(file), options_(options), records_(records), logger_(logger), routes_(plan_routes(file)) {}

  /// Asks the kernel, and changes nothing.
  Status plan(const ConfigFile& config, const Endpoints& endpoints) {
    record_.interface_name = config.interface_name;
    record_.config_file = config.path;
    mtu_bytes_ = choose_mtu(file_, endpoints);
    fwmark_ = file_.fwmark;
    if (Status planned = plan_defaults(); !planned) return planned;
    auto interface = plan_interface(file_, endpoints, fwmark_);
    if (!interface) return fail(std::move(interface.error()));
    interface_ = *std::move(interface);
    return {};
  }

  /// All or nothing.
  Status make() {
    Status made = make_interface();
    if (made) made = configure();
    if (made) made = set_dns();
    if (made) made = add_routes();
    if (made) return made;
    if (Status undone = undo_and_forget(record_, records_); !undone) {
      made.error().message += "; and what was made before could not all be undone: " + undone.error().message +
                              ". `vpn-enabler down " + record_.interface_name + "` tries again";
    }
    return made;
  }

  /// "wg0 is up: userspace, 10.8.0.2/24, MTU 1420".
  std::string summary() const {
    std::string text = record_.interface_name + " is up: " + (record_.in_kernel ? "kernel" : "userspace");
    for (const IpPrefix& address : file_.addresses) text += ", " + to_string(address);
    return text + ", MTU " + std::to_string(mtu_bytes_);
  }

 private:
  Status plan_defaults() {
    if (routes_.defaults.empty()) return {};
    const auto table = choose_table(file_);
    if (!table) return fail(table.error());
    fwmark_ = *table;
    record_.has_table = true;
    for (const IpPrefix& prefix : routes_.defaults) {
      const IpFamily family = prefix.address.family();
      const auto taken = host::policy_rule_priorities(family);
      if (!taken) return fail(taken.error());
      const auto rules = plan_rules(family, fwmark_, *taken);
      if (!rules) return fail(rules.error());
      record_.rules.insert(record_.rules.end(), rules->begin(), rules->end());
    }
    return {};
  }

  Status make_interface() {
    if (options_.tunnel != cli::TunnelChoice::kUserspace) {
      Status made = make_interface(true);
      const bool fall_back =
          !made && options_.tunnel == cli::TunnelChoice::kAuto && made.error().code == ErrorCode::kUnsupported;
      if (!fall_back) return made;
    }
    return make_interface(false);
  }

  Status make_interface(bool in_kernel) {
    record_.in_kernel = in_kernel;
    if (Status stored = records_.store(record_); !stored) return stored;
    const auto index = quick::make_interface(record_, options_.engine, logger_);
    if (!index) return fail(index.error());
    record_.interface_index = *index;
    return records_.store(record_);
  }

  Status configure() {
    if (Status done = configure_interface(record_, interface_); !done) return done;
    return host::configure_link({record_.interface_name, file_.addresses, mtu_bytes_});
  }

  Status set_dns() {
    if (file_.dns_servers.empty() || options_.ignore_dns) return {};
    Status set = host::set_link_dns(record_.interface_index, {file_.dns_servers, file_.dns_search});
    if (set) return set;
    if (set.error().code == ErrorCode::kUnavailable) {
      set.error().message +=
          ". DNS needs systemd-resolved; resolvconf is a program, and none is run here. Install it (`apt install "
          "systemd-resolved`), or name the servers in /etc/resolv.conf yourself and go on with --ignore-dns";
    }
    set.error().message = "DNS: " + set.error().message;
    return set;
  }

  // The rules last: until then no packet goes by the new default route.
  Status add_routes() {
    for (const IpPrefix& prefix : routes_.routes) {
      if (Status added = add_route(prefix, routes_.table); !added) return added;
    }
    for (const IpPrefix& prefix : routes_.defaults) {
      if (Status added = add_route(prefix, fwmark_); !added) return added;
    }
    if (!record_.has_table) return {};
    Status done = run_rules(host::full_tunnel_text({record_.interface_name, file_.addresses, fwmark_}));
    if (done) done = host::let_reverse_path_filter_see_marks();
    for (const host::PolicyRule& rule : record_.rules) {
      if (done) done = host::add_policy_rule(rule);
    }
    return done;
  }

  Status add_route(const IpPrefix& prefix, std::uint32_t table) {
    return host::add_route({prefix, record_.interface_name, table});
  }

  const WgQuickFile& file_;
  const UpOptions& options_;
  const Records& records_;
  Logger& logger_;
  const RoutePlan routes_;
  Record record_;
  engine::protocol::InterfaceUpdate interface_;
  std::uint32_t fwmark_ = 0;
  int mtu_bytes_ = 0;
};

/// What an earlier life left is undone; what is up, or somebody else's, is an error.
Status make_room(const std::string& interface_name, const Records& records, const Note& note) {
  const auto earlier = records.load(interface_name);
  if (!earlier) return fail(earlier.error());
  if (*earlier && is_there(**earlier)) {
    return fail(ErrorCode::kAlreadyExists,
                interface_name + " is up already; `vpn-enabler down " + interface_name + "` comes first");
  }
  if (*earlier) {
    note(interface_name + " was up before and its interface is gone; what is left of it is removed first");
    if (Status undone = undo_and_forget(**earlier, records); !undone) return undone;
  }
  if (::if_nametoindex(interface_name.c_str()) == 0) return {};
  return fail(ErrorCode::kAlreadyExists,
              "there is an interface " + interface_name +
                  " already, and `vpn-enabler up` did not make it; name the file after another");
}

}  // namespace

Result<std::string> up(const ConfigFile& config, const UpOptions& options, const NameService& names, const Note& note,
                       Logger& logger) {
  const auto file = read(config);
  if (!file) return fail(file.error());
  if (is_open_to_others(config)) {
    note(config.path.string() + " holds a private key and is open to everyone; `chmod 600` closes it");
  }
  const auto in_file = [&config](const Error& error) {
    return fail(error.code, config.path.string() + ": " + error.message, error.field);
  };
  if (Status checked = check_hooks(*file, options, note); !checked) return in_file(checked.error());
  const auto endpoints = resolve_all(*file, names);
  if (!endpoints) return in_file(endpoints.error());

  const auto records = Records::open();
  if (!records) return fail(records.error());
  if (Status free = make_room(config.interface_name, *records, note); !free) return fail(free.error());
  Bringup bringup(*file, options, *records, logger);
  if (Status planned = bringup.plan(config, *endpoints); !planned) return in_file(planned.error());
  if (Status made = bringup.make(); !made) return fail(made.error());
  return bringup.summary();
}

Status down(const std::string& interface_name, const Note& note) {
  const auto records = Records::open();
  if (!records) return fail(records.error());
  const auto record = records->load(interface_name);
  if (!record) return fail(record.error());
  if (!*record) {
    return fail(ErrorCode::kNotFound, interface_name + " is not up: `vpn-enabler up` made no such interface");
  }
  const Status saved = save_if_wanted(**record, note);
  if (Status undone = undo_and_forget(**record, *records); !undone) return undone;
  return saved;
}

}  // namespace vpn::quick
