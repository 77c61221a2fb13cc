#include "cli/client_command.h"

#include <unistd.h>

#include <CLI/CLI.hpp>
#include <chrono>
#include <csignal>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/key.h"
#include "base/random.h"
#include "cli/client_table.h"
#include "cli/program_name.h"
#include "cli/qr_code.h"
#include "cli/settings.h"
#include "cli/small_file.h"
#include "control/api/unix_client.h"
#include "control/service/wg_quick_config.h"
#include "engine/crypto/x25519.h"

namespace vpn::cli {
namespace {

struct ClientOptions {
  std::string socket = kDefaultApiSocket;
  std::string client;  ///< a name or a public key
  std::string output;
  bool json = false;
};

// --- add ---

/// A client's own half: made here, and only the public and the preshared key ever leave.
struct ClientKeys {
  PrivateKey private_key;
  PublicKey public_key;
  PresharedKey preshared_key;
};

ClientKeys make_keys() {
  SystemRandom random;
  ClientKeys keys;
  keys.private_key = engine::crypto::generate_private_key(random);
  keys.public_key = engine::crypto::derive_public_key(keys.private_key);
  random.fill(keys.preshared_key.reveal_mutable());
  return keys;
}

/// Puts a configuration, a secret, where the person wants it. All of it is there when this succeeds.
using Delivery = std::function<Status(const std::string& config)>;

Status deliver_to_terminal(const std::string& config) {
  if (Status written = write_output(config); !written || ::isatty(STDOUT_FILENO) != 1) return written;
  Result<std::string> code = draw_qr_code(config);
  if (!code) return {};
  Status written = write_output("\n");
  if (written) written = write_output(*code);
  wipe(code->data(), code->size());
  return written;
}

/// How long a gateway that stops answering is waited for: a service manager starts it anew within a second or two.
constexpr std::chrono::seconds kRestartTime{5};
constexpr std::chrono::milliseconds kRetryInterval{100};

/// Removes the client; success when it was not there. Asks again while nobody answers.
Status remove_for_certain(control::UnixClient& api, const PublicKey& key) {
  const auto deadline = std::chrono::steady_clock::now() + kRestartTime;
  while (true) {
    const Status removed = api.remove(key);
    if (removed || removed.error().code == ErrorCode::kNotFound) return {};
    const bool unanswered = removed.error().code == ErrorCode::kUnavailable || removed.error().code == ErrorCode::kIo;
    if (!unanswered || std::chrono::steady_clock::now() >= deadline) return removed;
    std::this_thread::sleep_for(kRetryInterval);
  }
}

/// Nobody could connect as a client whose configuration went lost: it is removed again. What is to be said of it;
/// `exists`: how sure it is that it was made.
Error take_back(control::UnixClient& api, const PublicKey& key, const std::string& name, const Error& cause,
                const std::string& exists) {
  const Status removed = remove_for_certain(api, key);
  if (removed) return {cause.code, cause.message + "; client " + name + " was not kept"};
  return {cause.code, cause.message + "; client " + name + " " + exists +
                          ", but its private key is lost, and to remove it failed (" + removed.error().message +
                          "): run " + program_for_shell() + " client remove " + shell_word(name)};
}

/// Makes a client that exists only when its configuration was delivered.
int add_client(const ClientOptions& options, const Delivery& deliver) {
  std::signal(SIGPIPE, SIG_IGN);  // a closed pipe is an error like any other
  const ClientKeys keys = make_keys();
  control::UnixClient api(options.socket);
  const auto created = api.create({keys.public_key, keys.preshared_key, options.client});
  if (!created && created.error().code == ErrorCode::kIo) {
    return report(take_back(api, keys.public_key, options.client, created.error(), "may exist"));
  }
  if (!created) return report(created.error());
  std::string config = control::to_text({
      .private_key = keys.private_key,
      .preshared_key = keys.preshared_key,
      .address = created->client_ip,
      .address6 = created->client_ip6,
      .server_key = created->server_public_key,
      .server_host = created->server_ip,
      .server_port = created->server_port,
      .allowed_ips = created->allowed_ips,
  });
  const Status delivered = deliver(config);
  wipe(config.data(), config.size());
  return delivered ? kSuccess : report(take_back(api, keys.public_key, options.client, delivered.error(), "exists"));
}

/// The file is made first: a client whose configuration has no place is not created.
int add_to_file(const ClientOptions& options) {
  Result<NewFile> file = NewFile::create(options.output);
  if (!file) return report(file.error());
  return add_client(options, [&](const std::string& config) {
    Status done = file->write(config);
    if (done) {
      done = write_output("Client " + options.client + " added; its configuration is in " + options.output + "\n");
    }
    if (done) file->keep();
    return done;
  });
}

int add(const ClientOptions& options) {
  return options.output.empty() ? add_client(options, deliver_to_terminal) : add_to_file(options);
}

// --- list, show ---

int list(const ClientOptions& options) {
  const auto answer = control::UnixClient(options.socket).list();
  if (!answer) return report(answer.error());
  const std::string text =
      options.json ? answer->json + "\n" : format_client_table(answer->clients, SystemClock().wall_now());
  return print(text);
}

/// The one client of that public key or name; kNotFound when there is none.
Result<control::ClientListAnswer> find(const ClientOptions& options) {
  control::UnixClient api(options.socket);
  const auto key = PublicKey::parse(options.client);
  auto answer = key ? api.find(*key) : api.find_by_name(options.client);
  if (answer && answer->clients.empty()) {
    return fail(ErrorCode::kNotFound, "no client has the name or public key " + options.client);
  }
  return answer;
}

int show(const ClientOptions& options) {
  const auto answer = find(options);
  if (!answer) return report(answer.error());
  const std::string text =
      options.json ? answer->json + "\n" : format_client_details(answer->clients.front(), SystemClock().wall_now());
  return print(text);
}

// --- enable, disable, remove ---

Status change(const ClientOptions& options, const std::string& verb) {
  const auto answer = find(options);
  if (!answer) return fail(answer.error());
  const auto key = PublicKey::parse(answer->clients.front().public_key);
  if (!key) return fail(ErrorCode::kCorrupt, "the gateway answered without a public key");
  control::UnixClient api(options.socket);
  return verb == "remove" ? api.remove(*key) : api.set_enabled(*key, verb == "enable");
}

int run_change(const ClientOptions& options, const std::string& verb) {
  const Status changed = change(options, verb);
  if (!changed) return report(changed.error());
  return print("Client " + options.client + " " + verb + "d\n");
}

// --- The command line ---

/// The fault of a client's name or public key as an argument; empty when there is none.
std::string not_empty(const std::string& client) {
  return client.empty() ? "must not be empty" : "";
}

CLI::App* declare(CLI::App& app, const char* verb, const char* description, const char* example) {
  CLI::App* command = app.add_subcommand(verb, description);
  command->footer(std::string("Example:\n  vpn-enabler client ") + example);
  return command;
}

}  // namespace

int run_client(const Arguments& arguments) {
  ClientOptions options;
  CLI::App app("Clients of the gateway that runs on this machine. As root.", "vpn-enabler client");
  app.require_subcommand(1);
  app.fallthrough();
  app.footer("Example:\n  vpn-enabler client add laptop");
  app.add_option("--api-socket", options.socket, "The gateway's unix socket")
      ->envname("API_SOCKET")
      ->capture_default_str();

  CLI::App* add_command = declare(app, "add", "Makes a client; prints its wg-quick file, and a QR code on a terminal",
                                  "add laptop --output laptop.conf");
  add_command->add_option("name", options.client, "Up to 64 bytes, unique")->required()->check(not_empty);
  add_command->add_option("--output", options.output, "Write to this new file, mode 0600, instead");

  CLI::App* list_command = declare(app, "list", "Lists all clients", "list --json");
  list_command->add_flag("--json", options.json, "As the API answers");

  const auto declare_for_client = [&](const char* verb, const char* description) {
    CLI::App* command = declare(app, verb, description, (std::string(verb) + " laptop").c_str());
    command->add_option("client", options.client, "A name or a public key")->required()->check(not_empty);
    return command;
  };
  CLI::App* show_command = declare_for_client("show", "Shows one client");
  show_command->add_flag("--json", options.json, "As the API answers");
  declare_for_client("enable", "Lets a client in again");
  declare_for_client("disable", "Keeps a client out at once; its address stays reserved");
  declare_for_client("remove", "Deletes a client");

  if (const auto exit_code = parse_command_line(app, arguments)) return *exit_code;
  if (*add_command) return add(options);
  if (*list_command) return list(options);
  if (*show_command) return show(options);
  return run_change(options, app.get_subcommands().front()->get_name());
}

}  // namespace vpn::cli
