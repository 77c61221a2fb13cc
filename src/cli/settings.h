// The settings of `serve`: one table declares each for the command line, the environment, the settings file and the
// help.
//
// Flag > environment > settings file > default. WG_PORT is the flag --wg-port, the variable WG_PORT and the line
// WG_PORT=... of the file. A secret may instead stand in a file of its own that NAME_FILE names. Everything is
// validated before anything is changed. One thread; an empty value is an unset one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/ip.h"
#include "base/key.h"
#include "base/log.h"
#include "cli/log_sink.h"
#include "control/api/auth.h"
#include "control/service/secret_text.h"
#include "engine/io/offloads.h"

namespace CLI {
class App;
}

namespace vpn::cli {

enum class StoreKind { kSqlite, kMongodb, kLtse };
/// kAuto: the kernel where it has WireGuard, else userspace.
enum class TunnelChoice { kAuto, kKernel, kUserspace };

struct Settings {
  // WireGuard
  TunnelChoice tunnel = TunnelChoice::kAuto;
  std::optional<PrivateKey> wg_private_key;  ///< none: the one kept in the state directory
  IpPrefix wg_subnet;                        ///< IPv4: the gateway's own address with the subnet's length, 8 to 30
  std::optional<IpPrefix> wg_subnet6;        ///< its IPv6 address with the prefix's length, 16 to 96; none: no IPv6
  std::uint16_t wg_port = 0;
  std::string wg_interface;
  int wg_mtu_bytes = 0;
  std::optional<std::size_t> engine_workers;  ///< of our own engine; none: engine::default_workers()
  engine::io::Offloads engine_offloads = {};  ///< of our own engine

  // What clients are told
  std::string server_ip;          ///< address or host name; empty: detected
  std::uint16_t server_port = 0;  ///< WG_PORT unless set
  std::string peer_allowed_ips;   ///< comma-separated prefixes without spaces

  // The API
  IpAddress api_address;
  std::uint16_t api_port = 0;
  std::filesystem::path api_socket;  ///< absolute, fits a sockaddr_un
  std::optional<control::BearerToken> api_token;
  control::AuthMode api_auth = control::AuthMode::kToken;

  // Where clients are kept
  StoreKind store = StoreKind::kSqlite;  ///< STORE; unset: the LTSE when LTSE=true, MongoDB when it has a host
  std::string mongodb_host;              ///< a host, a comma list, or a URI; what it may be is the store's to say
  std::uint16_t mongodb_port = 0;
  std::string mongodb_user;  ///< empty: no authentication
  control::SecretText mongodb_pass;
  std::string ltse_url;
  std::string ltse_index;

  std::filesystem::path state_dir;  ///< absolute
  bool nat = true;
  LogLevel log_level = LogLevel::kInfo;
  LogFormat log_format = LogFormat::kText;
};

/// API_SOCKET when it is not set.
constexpr const char* kDefaultApiSocket = "/run/vpn-enabler/api.sock";

/// The longest settings file and secret file that is read; a longer one is a mistake.
constexpr std::size_t kMaxSettingsFileBytes = std::size_t{64} * 1024;

/// Declares the settings on a command line, then reads them.
class SettingsOptions {
 public:
  /// Adds an option per setting, and --config. `app` must outlive this.
  explicit SettingsOptions(CLI::App& app);
  ~SettingsOptions();
  SettingsOptions(const SettingsOptions&) = delete;
  SettingsOptions& operator=(const SettingsOptions&) = delete;

  /// To be called once, when `app` has parsed the command line. kInvalidArgument, with the setting's name as `field`,
  /// its value's fault and a right example in the message; a secret value is never part of it.
  Result<Settings> read();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vpn::cli
