#include "cli/serve.h"

#include <sys/resource.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <string_view>

#include "base/ip.h"
#include "cli/program_name.h"
#include "cli/state.h"
#include "engine/crypto/x25519.h"

namespace vpn::cli {
namespace {

constexpr const char* kFooter =
    "Each setting is also an environment variable, WG_PORT for --wg-port, and a line WG_PORT=... of the --config "
    "file.\n"
    "A flag goes before the environment, which goes before the file.\n\n"
    "Example:\n"
    "  vpn-enabler serve --server-ip vpn.example.org --wg-subnet 10.8.0.1/24";

/// "127.0.0.1:3000", "[::]:3000".
std::string address_and_port(const std::string& host, std::uint16_t port) {
  const bool is_ipv6 = host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

std::string api_url(const Settings& settings) {
  return "http://" + address_and_port(to_string(settings.api_address), settings.api_port);
}

std::string first_client_command(const Settings& settings) {
  std::string command = program_for_shell() + " client add laptop";
  if (settings.api_socket != kDefaultApiSocket) command += " --api-socket " + shell_word(settings.api_socket.native());
  return command;
}

}  // namespace

std::variant<Settings, int> read_serve_settings(const Arguments& arguments) {
  CLI::App app("The VPN gateway.", "vpn-enabler serve");
  app.footer(kFooter);
  SettingsOptions options(app);
  if (const auto exit_code = parse_command_line(app, arguments)) return *exit_code;
  Result<Settings> settings = options.read();
  if (!settings) return report(settings.error(), kUsageError);
  return std::move(*settings);
}

Result<Identity> load_identity(const Settings& settings, Random& random) {
  if (Status prepared = prepare_state_directory(settings.state_dir); !prepared) return fail(prepared.error());
  Identity identity;
  identity.key_from_store = !settings.wg_private_key && settings.store != StoreKind::kSqlite;
  if (settings.wg_private_key) {
    identity.private_key = *settings.wg_private_key;
  } else {
    const Result<PrivateKey> key = identity.key_from_store ? propose_private_key(settings.state_dir, random)
                                                           : load_or_create_private_key(settings.state_dir, random);
    if (!key) return fail(key.error());
    identity.private_key = *key;
  }

  identity.api_token = settings.api_token;
  const bool token_needed =
      settings.api_auth == control::AuthMode::kToken && !control::is_loopback(settings.api_address);
  if (token_needed && !identity.api_token) {
    Result<control::BearerToken> kept = load_or_create_api_token(settings.state_dir, random);
    if (!kept) return fail(kept.error());
    identity.api_token = std::move(*kept);
    identity.api_token_file = settings.state_dir / kApiTokenFile;
  }
  return identity;
}

int report_unusable_state(Error error) {
  // What is wrong with the content of a file, and some faults of the store, come with a cure of their own.
  const bool about_content = error.code == ErrorCode::kCorrupt || error.code == ErrorCode::kUnsupported;
  if (!about_content && error.message.find("STATE_DIR") == std::string::npos) {
    error.message += "; make it writable, with room on the disk, or point STATE_DIR at a directory that is";
  }
  return report(error, kUsageError);
}

int report_unusable_store(const Settings& settings, const Error& error) {
  return settings.store == StoreKind::kSqlite ? report_unusable_state(error) : report(error, kUsageError);
}

Error explain_port(const Settings& settings, Error error) {
  if (error.code != ErrorCode::kUnavailable) return error;
  error.message = "WG_PORT=" + std::to_string(settings.wg_port) + ": " + error.message +
                  "; stop the program that has the port (`ss -lunp` shows it), or choose another, for example "
                  "WG_PORT=51821";
  return error;
}

int exit_code_of(const Error& error) {
  const bool settings_fault = error.code == ErrorCode::kInvalidArgument || error.code == ErrorCode::kCorrupt ||
                              error.code == ErrorCode::kUnsupported;
  return settings_fault ? kUsageError : kFailure;
}

void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= kWantedFileDescriptors) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, kWantedFileDescriptors);
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

void warn_of_open_api(const Settings& settings) {
  if (settings.api_auth != control::AuthMode::kOff) return;
  LogSink logger(std::min(settings.log_level, LogLevel::kWarning), settings.log_format);
  logger.warn(
      "API_AUTH=off: everyone who reaches the API may manage clients; a gateway in front of it must check callers",
      {{"api", api_url(settings)}});
}

void announce(const Settings& settings, const StartReport& report, Logger& logger) {
  const std::string wireguard = address_and_port(report.network.server_ip, report.network.server_port);
  const std::string api = api_url(settings);
  const std::string command = first_client_command(settings);
  if (settings.log_format == LogFormat::kJson) {
    logger.info("serving", {{"version", report.version},
                            {"wireguard", wireguard},
                            {"udp_port", std::to_string(settings.wg_port)},
                            {"interface", settings.wg_interface},
                            {"tunnel", report.tunnel_kind},
                            {"subnet", to_string(settings.wg_subnet)},
                            {"subnet6", settings.wg_subnet6 ? to_string(*settings.wg_subnet6) : ""},
                            {"public_key", to_string(report.public_key)},
                            {"api", api},
                            {"api_socket", settings.api_socket.string()},
                            {"api_token_file", report.api_token_file.string()},
                            {"store", report.store},
                            {"first_client", command}});
    return;
  }
  std::printf("vpn-enabler %s is serving\n", report.version);
  const std::string subnet6 = settings.wg_subnet6 ? " and " + to_string(*settings.wg_subnet6) : "";
  std::printf("  WireGuard     %s, here UDP port %u on %s (%s), subnet %s%s\n", wireguard.c_str(),
              static_cast<unsigned>(settings.wg_port), settings.wg_interface.c_str(), report.tunnel_kind.c_str(),
              to_string(settings.wg_subnet).c_str(), subnet6.c_str());
  std::printf("  public key    %s\n", to_string(report.public_key).c_str());
  std::printf("  API           %s and the unix socket %s\n", api.c_str(), settings.api_socket.c_str());
  if (!report.api_token_file.empty()) std::printf("  API token     in %s\n", report.api_token_file.c_str());
  std::printf("  store         %s\n", report.store.c_str());
  std::printf("  first client  %s\n", command.c_str());
  std::fflush(stdout);
}

}  // namespace vpn::cli
