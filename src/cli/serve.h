// What `serve` does around its composition in main.cc: its command line, the secrets it keeps, and what it tells at
// start.
//
// One thread.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <variant>

#include "base/error.h"
#include "base/key.h"
#include "base/log.h"
#include "base/random.h"
#include "cli/command_line.h"
#include "cli/settings.h"
#include "control/api/auth.h"
#include "control/model/network.h"

namespace vpn::cli {

/// The settings, or the exit code when help was printed or a setting is bad (said on stderr).
std::variant<Settings, int> read_serve_settings(const Arguments& arguments);

/// Who this gateway is and whom its API trusts.
struct Identity {
  PrivateKey private_key;
  bool key_from_store = false;  ///< `private_key` is a proposal: a store that replicas share keeps the key of all
  std::optional<control::BearerToken> api_token;
  std::filesystem::path api_token_file;  ///< where it is kept; empty when the settings gave it, or none is needed
};

/// From the settings, else from the state directory, which is made when it is missing; a token only where callers must
/// have one. With a store that replicas share the key is theirs, and only proposed from here.
Result<Identity> load_identity(const Settings& settings, Random& random);

/// Prints what keeps the state directory from being used, with the cure. Returns kUsageError.
int report_unusable_state(Error error);
/// The same of the store, which may lie elsewhere.
int report_unusable_store(const Settings& settings, const Error& error);

/// What keeps WireGuard from its UDP port, with the cure; any other error as it is.
Error explain_port(const Settings& settings, Error error);

/// 2 for what the settings are to blame for, else 1.
int exit_code_of(const Error& error);

/// As many file descriptors as the system lets us have, up to kWantedFileDescriptors; fewer is no error.
void raise_file_limit();
constexpr unsigned long kWantedFileDescriptors = 65'536;

/// What is told at start, besides the settings.
struct StartReport {
  const char* version;
  std::string tunnel_kind;
  std::string store;
  PublicKey public_key;
  std::filesystem::path api_token_file;
  control::Network network;
};

/// Says, whatever LOG_LEVEL is, that the API checks nobody, if so. Called as soon as it listens.
void warn_of_open_api(const Settings& settings);

/// A few lines for a person on stdout; with LOG_FORMAT=json, one line of the log.
void announce(const Settings& settings, const StartReport& report, Logger& logger);

}  // namespace vpn::cli
