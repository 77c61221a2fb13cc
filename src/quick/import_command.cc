#include "quick/import_command.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <csignal>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/unique_fd.h"
#include "cli/log_sink.h"
#include "cli/state.h"
#include "cli/store_location.h"
#include "cli/store_transfer.h"
#include "engine/crypto/x25519.h"
#include "quick/config_file.h"
#include "quick/server_import.h"

namespace vpn::quick {
namespace {

using cli::KeyOutcome;
using cli::Settings;
using cli::StoreEnd;
using cli::TransferReport;

struct ImportOptions {
  std::string config;
  bool dry_run = false;
  bool skip = false;
};

/// Of what is named one by one; of more, how many there are.
constexpr std::size_t kMaxNamed = 50;

void tell(const std::string& text) {
  (void)cli::report({ErrorCode::kIo, text});
}

void tell_each(const std::string& what, std::span<const std::string> lines) {
  for (const std::string& line : lines.first(std::min(lines.size(), kMaxNamed))) tell(what + ": " + line);
  if (lines.size() > kMaxNamed) tell(what + ": " + std::to_string(lines.size() - kMaxNamed) + " more");
}

std::string count(std::size_t number, const char* thing) {
  return std::to_string(number) + " " + thing + (number == 1 ? "" : "s");
}

bool is_in_file(const Settings& settings) {
  return settings.store == cli::StoreKind::kSqlite;
}

/// The store and where its gateway's key is kept.
Result<StoreEnd> open_end(const Settings& settings, bool dry_run, const OpenStore& open, Logger& logger) {
  const cli::ServerKey beside_file = [directory = settings.state_dir](const PrivateKey& fresh) {
    return cli::load_or_keep_private_key(directory, fresh);
  };
  // To open a file that is not there would make it.
  const bool is_to_be_made =
      is_in_file(settings) && !cli::may_hold_clients(cli::SqliteFile{settings.state_dir / "clients.db"});
  if (dry_run && is_to_be_made) return StoreEnd{nullptr, beside_file};
  auto store = open(settings, logger);
  if (!store) return fail(store.error());
  control::SharedStore* shared = (*store)->shared();
  if (shared == nullptr) return StoreEnd{*std::move(store), beside_file};
  return StoreEnd{*std::move(store), [shared](const PrivateKey& fresh) { return shared->server_key(fresh); }};
}

/// What a server's file does not say of a client stays as it is kept: then an import that is done again changes
/// nothing.
Status keep_what_is_known(std::vector<control::Client>& clients, const StoreEnd& target) {
  if (!target.store) return {};
  const auto there = target.store->load();
  if (!there) return fail(there.error());
  std::unordered_map<PublicKey, const control::Client*> known;
  for (const control::Client& client : there->clients) known.emplace(client.public_key, &client);
  for (control::Client& client : clients) {
    const auto same = known.find(client.public_key);
    if (same == known.end()) continue;
    client.allowed_ips = same->second->allowed_ips;
    client.enabled = same->second->enabled;
    client.created_at = same->second->created_at;
    if (client.name.empty()) client.name = same->second->name;
  }
  return {};
}

bool is_same_key(const PrivateKey& a, const PrivateKey& b) {
  return engine::crypto::clamp(a) == engine::crypto::clamp(b);
}

/// Why the key cannot be the gateway's; empty when it can.
std::string key_fault(const WgQuickFile& file, const Settings& settings, const TransferReport& report) {
  if (settings.wg_private_key && !is_same_key(*settings.wg_private_key, file.private_key)) {
    return "WG_PRIVATE_KEY is set and is not the file's PrivateKey; unset it, and the gateway takes the file's";
  }
  if (report.key != KeyOutcome::kDifferent) return {};
  return "the store keeps the private key of another gateway, whose public key is " + to_string(report.key_there) +
         ": its clients know that one, the file's clients theirs. Import into another store or STATE_DIR";
}

std::string summarize(const TransferReport& report, std::size_t unfit, bool dry_run) {
  std::string text = count(report.clients, "client") + ": " + std::to_string(report.copied) +
                     (dry_run ? " would be imported" : " imported");
  if (report.present > 0) text += ", " + std::to_string(report.present) + " already there";
  if (!report.conflicts.empty()) text += ", " + std::to_string(report.conflicts.size()) + " in conflict";
  if (unfit > 0) text += ", " + count(unfit, "peer") + " left out";
  return text + "; the private key: " +
         (report.key == KeyOutcome::kPresent ? "already there"
          : dry_run                          ? "would be kept"
                                             : "kept");
}

std::string settings_text(const ConfigFile& config, const ServerImport& found) {
  std::string text = "# of " + config.path.string() + "\n";
  for (const auto& [name, value] : found.settings) text += name + "=" + value + "\n";
  return text;
}

int refuse(const std::string& text) {
  return cli::report({ErrorCode::kInvalidArgument, text + ". Nothing was changed"}, cli::kUsageError);
}

/// Looks first, then brings it. The exit code.
int bring(const ConfigFile& config, const WgQuickFile& file, ServerImport found, const Settings& settings,
          const ImportOptions& options, const StoreEnd& target) {
  if (Status known = keep_what_is_known(found.clients, target); !known) return refuse(known.error().message);
  const cli::Snapshot snapshot{std::move(found.clients), {}, file.private_key};
  auto report = cli::transfer(snapshot, target, {.dry_run = true});
  if (!report) return refuse(report.error().message);
  if (report->failure) return refuse(report->failure->message);
  tell_each("no client", found.unfit);
  tell_each("conflict", report->conflicts);
  if (const std::string fault = key_fault(file, settings, *report); !fault.empty()) return refuse(fault);
  const std::size_t problems = found.unfit.size() + report->conflicts.size();
  if (problems > 0 && !options.skip) {
    return refuse(count(problems, "peer") + " of " + config.path.string() +
                  " cannot be clients; mend the file, or go on without them: --skip");
  }
  if (!options.dry_run) report = cli::transfer(snapshot, target);
  if (!report) return refuse(report.error().message);
  tell_each("note", found.notes);
  tell(summarize(*report, found.unfit.size(), options.dry_run));
  if (report->failure)
    return cli::report({report->failure->code, report->failure->message + "; run it again to bring the rest"});
  tell("these settings make `vpn-enabler serve` the same server; /etc/vpn-enabler/vpn-enabler.env takes them:");
  return cli::print(settings_text(config, found));
}

int run(const ImportOptions& options, const Settings& settings, const OpenStore& open, Logger& logger) {
  const auto config = locate(options.config);
  if (!config) return cli::report(config.error(), cli::kUsageError);
  const auto file = read(*config);
  if (!file) return cli::report(file.error(), cli::kUsageError);
  ServerImport found =
      import_server(*file, config->interface_name, settings.peer_allowed_ips, SystemClock().wall_now());
  if (!found.fault.empty()) return refuse(config->path.string() + ": " + found.fault);

  UniqueFd lock;
  if (!options.dry_run && is_in_file(settings)) {
    Status prepared = cli::prepare_state_directory(settings.state_dir);
    if (!prepared) return refuse(prepared.error().message);
    auto locked = cli::lock_state_directory(settings.state_dir);
    if (!locked) return refuse(locked.error().message);
    lock = *std::move(locked);
  }
  const auto target = open_end(settings, options.dry_run, open, logger);
  if (!target) return refuse(target.error().message);
  return bring(*config, *file, std::move(found), settings, options, *target);
}

}  // namespace

int run_import(const cli::Arguments& arguments, const OpenStore& open) {
  ImportOptions options;
  CLI::App app(
      "Makes a gateway of a server that wg-quick runs: its key and its peers go into the store, and the settings that "
      "make `serve` the same server are printed. Its clients go on as they are.",
      "vpn-enabler import");
  app.footer(
      "What is in the store stays, and an import can be done again. The file is only read.\n\n"
      "Example:\n"
      "  vpn-enabler import wg0 --dry-run\n"
      "  wg-quick down wg0\n"
      "  vpn-enabler import wg0 >>/etc/vpn-enabler/vpn-enabler.env");
  app.add_option("conf", options.config, "The file, or an interface: wg0 is /etc/wireguard/wg0.conf")
      ->required()
      ->type_name("CONF");
  app.add_flag("--dry-run", options.dry_run, "Only say what would be done");
  app.add_flag("--skip", options.skip, "Leave out the peers that cannot be clients, instead of importing none");
  cli::SettingsOptions setting_options(app);
  if (const auto exit_code = cli::parse_command_line(app, arguments)) return *exit_code;
  const auto settings = setting_options.read();
  if (!settings) return cli::report(settings.error(), cli::kUsageError);
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error like any other
  cli::LogSink logger(LogLevel::kWarning, cli::LogFormat::kText);
  return run(options, *settings, open, logger);
}

}  // namespace vpn::quick
