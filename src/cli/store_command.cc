#include "cli/store_command.h"

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "base/text.h"
#include "base/unique_fd.h"
#include "cli/client_json_lines.h"
#include "cli/log_sink.h"
#include "cli/progress_bar.h"
#include "cli/small_file.h"
#include "cli/state.h"
#include "cli/store_transfer.h"
#include "engine/crypto/x25519.h"

namespace vpn::cli {
namespace {

struct StoreOptions {
  std::string from;
  std::string to;
  std::string file;
  bool dry_run = false;
  bool force = false;
};

/// The conflicts and faults that are named; of more, only how many.
constexpr std::size_t kMaxNamed = 10;

// --- What is said ---

void note(const std::string& text) {
  report({ErrorCode::kIo, text});
}

void note_each(const std::string& what, std::span<const std::string> lines) {
  for (const std::string& line : lines.first(std::min(lines.size(), kMaxNamed))) note(printable(what + ": " + line));
  if (lines.size() > kMaxNamed) note(what + ": " + std::to_string(lines.size() - kMaxNamed) + " more");
}

std::string count(std::size_t number, const char* thing) {
  return std::to_string(number) + " " + thing + (number == 1 ? "" : "s");
}

/// "253 clients: 250 copied, 2 already there, 1 in conflict".
std::string summarize(const TransferReport& report, std::size_t faults, bool dry_run) {
  const std::pair<std::size_t, const char*> rest[] = {
      {report.present, "already there"},
      {report.conflicts.size(), "in conflict"},
      {report.left(), "not copied"},
      {faults, "unfit for any store"},
  };
  std::string text = count(report.clients, "client") + ": " + std::to_string(report.copied) +
                     (dry_run ? " would be copied" : " copied");
  for (const auto& [number, what] : rest) {
    if (number > 0) text += ", " + std::to_string(number) + " " + what;
  }
  return text + "\n";
}

std::string summarize_key(KeyOutcome outcome, bool dry_run) {
  if (outcome == KeyOutcome::kPresent) return "the gateway's private key: already there\n";
  if (outcome != KeyOutcome::kCopied) return "";
  return dry_run ? "the gateway's private key: would be copied\n" : "the gateway's private key: copied\n";
}

void note_key(const Snapshot& snapshot, const TransferReport& report) {
  if (report.key == KeyOutcome::kUnknown) {
    note("the source holds no private key of its gateway: start the new one with the same WG_PRIVATE_KEY");
  } else if (report.key == KeyOutcome::kDifferent) {
    note("warning: the clients know a gateway with the public key " +
         to_string(engine::crypto::derive_public_key(*snapshot.server_key)) +
         ", but the target keeps the private key of another, " + to_string(report.key_there) +
         ": they cannot connect to it. Start it with the WG_PRIVATE_KEY of the source");
  }
}

// --- Stores ---

/// kInvalidArgument naming the option, the fault and a right example; never the value, which may hold a password.
Result<StoreLocation> parse_location(const char* option, const std::string& text) {
  StoreLocation location;
  const Fault fault = parse_store_location(text, location);
  if (fault.empty()) return location;
  return fail(ErrorCode::kInvalidArgument, std::string(option) + " " + fault +
                                               "; for example sqlite:/var/lib/vpn-enabler/clients.db, "
                                               "mongodb://user:password@mongo.example.org:27017, "
                                               "ltse:http://ltse.example.org:8080");
}

Failure about(const char* option, const Error& error) {
  const char* retry = error.code == ErrorCode::kUnavailable ? "; run it again when that is mended" : "";
  return fail(error.code, std::string(option) + ": " + error.message + retry, error.field);
}

/// Beside the clients: in a shared store itself, else in the directory of the file.
ServerKey server_key_of(const StoreLocation& location, control::Store* store) {
  if (control::SharedStore* shared = store != nullptr ? store->shared() : nullptr; shared != nullptr) {
    return [shared](const PrivateKey& fresh) { return shared->server_key(fresh); };
  }
  if (const auto* file = std::get_if<SqliteFile>(&location)) {
    return [directory = file->path.parent_path()](const PrivateKey& fresh) {
      return load_or_keep_private_key(directory, fresh);
    };
  }
  return [](const PrivateKey&) -> Result<PrivateKey> { return fail(ErrorCode::kNotFound, "no key is kept there"); };
}

Result<StoreEnd> open_end(const StoreLocation& location, control::Access access, const OpenStore& open,
                          Logger& logger) {
  auto store = open(location, access, logger);
  if (!store) return fail(store.error());
  ServerKey key = server_key_of(location, store->get());
  return StoreEnd{std::move(*store), std::move(key)};
}

Result<Snapshot> read_store(const StoreLocation& from, const OpenStore& open, Logger& logger) {
  if (!may_hold_clients(from)) {
    return about("--from", {ErrorCode::kNotFound, std::get<SqliteFile>(from).path.string() +
                                                      " holds no clients: no such file, or an empty one"});
  }
  const auto source = open_end(from, control::Access::kRead, open, logger);
  if (!source) return about("--from", source.error());
  auto snapshot = take_snapshot(*source);
  if (!snapshot) return about("--from", snapshot.error());
  return snapshot;
}

/// Brings the snapshot into the store and says what became of it. The exit code.
int write_store(const Snapshot& snapshot, const StoreLocation& to, bool dry_run, const OpenStore& open,
                Logger& logger) {
  const bool is_to_be_made = dry_run && !may_hold_clients(to);
  const auto access = dry_run ? control::Access::kRead : control::Access::kReadWrite;
  const auto target =
      is_to_be_made ? StoreEnd{nullptr, server_key_of(to, nullptr)} : open_end(to, access, open, logger);
  if (!target) return report(about("--to", target.error()).value(), kUsageError);

  const auto transferred = [&] {
    ProgressBar bar("copying");
    return transfer(snapshot, *target,
                    {.dry_run = dry_run, .progress = [&](std::size_t done, std::size_t all) { bar.show(done, all); }});
  }();
  if (!transferred) return report(about("--to", transferred.error()).value(), kUsageError);

  note_each("not copied", snapshot.faults);
  note_each("conflict", transferred->conflicts);
  note_key(snapshot, *transferred);
  if (transferred->failure) {
    note("--to: " + transferred->failure->message + "; " + std::to_string(transferred->present + transferred->copied) +
         " of " + count(transferred->clients, "client") + " are there: run it again to bring the rest");
  }
  const int printed =
      print(summarize(*transferred, snapshot.faults.size(), dry_run) + summarize_key(transferred->key, dry_run));
  return transferred->complete() ? printed : kFailure;
}

// --- copy ---

int copy(const StoreOptions& options, const OpenStore& open, Logger& logger) {
  const auto from = parse_location("--from", options.from);
  if (!from) return report(from.error(), kUsageError);
  const auto to = parse_location("--to", options.to);
  if (!to) return report(to.error(), kUsageError);
  if (is_same_store(*from, *to)) {
    return report({ErrorCode::kInvalidArgument, "--from and --to name the same store"}, kUsageError);
  }
  const auto snapshot = read_store(*from, open, logger);
  if (!snapshot) return report(snapshot.error(), kUsageError);
  return write_store(*snapshot, *to, options.dry_run, open, logger);
}

// --- export ---

Status export_to_file(const Snapshot& snapshot, const StoreOptions& options) {
  auto file =
      WholeFile::create(options.file, options.force ? WholeFile::Existing::kReplace : WholeFile::Existing::kRefuse);
  if (!file) return fail(file.error());
  const auto write = [&](std::string_view text) { return file->write(text); };
  if (Status written = write_json_lines(snapshot, write); !written) return written;
  return file->publish();
}

int export_clients(const StoreOptions& options, const OpenStore& open, Logger& logger) {
  const auto from = parse_location("--from", options.from);
  if (!from) return report(from.error(), kUsageError);
  const bool to_file = !options.file.empty();
  if (!to_file && ::isatty(STDOUT_FILENO) == 1) {
    return report({ErrorCode::kInvalidArgument,
                   "an export holds secrets, which a terminal would show; "
                   "for example --output clients.jsonl"},
                  kUsageError);
  }
  const auto snapshot = read_store(*from, open, logger);
  if (!snapshot) return report(snapshot.error(), kUsageError);
  note_each("not exported", snapshot->faults);

  const Status written = to_file ? export_to_file(*snapshot, options) : write_json_lines(*snapshot, write_output);
  if (!written) return report(written.error());
  std::string summary = count(snapshot->clients.size(), "client") + " exported";
  if (!snapshot->faults.empty()) summary += ", " + std::to_string(snapshot->faults.size()) + " unfit for any store";
  if (to_file) return print(summary + "\n");
  note(summary);
  return kSuccess;
}

// --- import ---

Result<Snapshot> read_file(const std::string& name) {
  const bool from_input = name == "-";
  const UniqueFd file(from_input ? -1 : ::open(name.c_str(), O_RDONLY | O_CLOEXEC));
  if (!from_input && !file) return fail(system_error("open " + name, errno));
  const int fd = from_input ? STDIN_FILENO : file.get();
  const std::string source = from_input ? "standard input" : name;
  auto snapshot = read_json_lines([&](std::span<char> out) -> Result<std::size_t> {
    for (;;) {
      const ssize_t got = ::read(fd, out.data(), out.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) return fail(system_error("read " + source, errno));
    }
  });
  if (snapshot || snapshot.error().code != ErrorCode::kInvalidArgument) return snapshot;
  return fail(ErrorCode::kInvalidArgument, source + ", " + snapshot.error().message + ". Nothing was imported");
}

int import_clients(const StoreOptions& options, const OpenStore& open, Logger& logger) {
  const auto to = parse_location("--to", options.to);
  if (!to) return report(to.error(), kUsageError);
  const auto snapshot = read_file(options.file);
  if (!snapshot) return report(snapshot.error(), kUsageError);
  return write_store(*snapshot, *to, options.dry_run, open, logger);
}

// --- The command line ---

CLI::App* declare(CLI::App& app, const char* verb, const char* description, const char* example) {
  CLI::App* command = app.add_subcommand(verb, description);
  command->footer(std::string("Example:\n  vpn-enabler store ") + example +
                  "\n\nLOCATION is sqlite:FILE (or its directory), mongodb://..., mongodb+srv://..., or "
                  "ltse:http://... (#INDEX may follow).\nOne with a password belongs into the environment: "
                  "everyone on a machine can read a command line.\nA SQLite file must not be in use: stop its "
                  "gateway first.");
  return command;
}

void add_location(CLI::App& command, const char* option, const char* variable, std::string& out,
                  const char* description) {
  command.add_option(option, out, description)->envname(variable)->required()->type_name("LOCATION");
}

}  // namespace

int run_store(const Arguments& arguments, const OpenStore& open) {
  StoreOptions options;
  CLI::App app("Moves clients from one store to another: sqlite, mongodb or ltse.", "vpn-enabler store");
  app.require_subcommand(1);
  app.footer(
      "Example:\n  vpn-enabler store copy --from sqlite:/var/lib/vpn-enabler/clients.db "
      "--to mongodb://mongo.example.org");

  const auto add_from = [&](CLI::App& command) {
    add_location(command, "--from", "VPN_STORE_FROM", options.from, "The store to read; it is not changed");
  };
  const auto add_to = [&](CLI::App& command) {
    add_location(command, "--to", "VPN_STORE_TO", options.to, "The store to write; what is there stays as it is");
    command.add_flag("--dry-run", options.dry_run, "Only say what would be done");
  };
  CLI::App* copy_command = declare(app, "copy", "Copies all clients, and the key of the gateway that they know",
                                   "copy --from sqlite:/var/lib/vpn-enabler --to ltse:http://ltse-api:8080 --dry-run");
  add_from(*copy_command);
  add_to(*copy_command);

  CLI::App* export_command = declare(app, "export", "Writes them as JSON lines, secrets included",
                                     "export --from sqlite:/var/lib/vpn-enabler --output clients.jsonl");
  add_from(*export_command);
  export_command->add_option("--output", options.file, "Write to this new file, mode 0600, instead of standard output");
  export_command->add_flag("--force", options.force, "Replace the file when it exists");

  CLI::App* import_command = declare(app, "import", "Reads such lines: all are checked before the first is stored",
                                     "import --to mongodb://mongo.example.org clients.jsonl");
  add_to(*import_command);
  import_command->add_option("file", options.file, "The file; - for standard input")->required()->type_name("FILE");

  if (const auto exit_code = parse_command_line(app, arguments)) return *exit_code;
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error like any other
  LogSink logger(LogLevel::kWarning, LogFormat::kText);
  if (*copy_command) return copy(options, open, logger);
  if (*export_command) return export_clients(options, open, logger);
  return import_clients(options, open, logger);
}

}  // namespace vpn::cli
