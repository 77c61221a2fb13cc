#include "doctor/store_check.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>

#include "cli/program_name.h"
#include "cli/state.h"

namespace vpn::doctor {

StateFacts look_at_state(const cli::Settings& settings) {
  StateFacts facts{.directory = settings.state_dir.string(), .existing = {}, .as_root = ::geteuid() == 0, .key = {}};
  std::filesystem::path existing = settings.state_dir;
  std::error_code error;
  while (!std::filesystem::exists(existing, error) && existing.has_relative_path()) existing = existing.parent_path();
  facts.existing = existing.string();
  facts.is_directory = std::filesystem::is_directory(existing, error);
  facts.writable = ::faccessat(AT_FDCWD, existing.c_str(), W_OK | X_OK, AT_EACCESS) == 0;
  // An all-zero key only looks.
  const auto key = cli::load_or_keep_private_key(settings.state_dir, PrivateKey());
  if (!key) facts.key = fail(key.error());
  return facts;
}

Finding judge_state(const StateFacts& facts) {
  const std::string name = "state_dir";
  const Cure elsewhere = setting("STATE_DIR=/var/lib/vpn-enabler");
  if (!facts.is_directory) return {name, State::kBroken, facts.existing + " is not a directory", elsewhere};
  if (!facts.writable && !facts.as_root) {
    return {name, State::kNote, facts.existing + " could not be looked at", command("sudo vpn-enabler doctor")};
  }
  if (!facts.writable) return {name, State::kBroken, facts.existing + " is not writable", elsewhere};
  if (!facts.key && facts.key.error().code == ErrorCode::kCorrupt) {
    return {name, State::kBroken, facts.key.error().message,
            advice("restore the file from a backup: with a new key no client that is out there connects")};
  }
  if (facts.existing != facts.directory) return {name, State::kOk, facts.directory + " will be made"};
  return {name, State::kOk, facts.directory + " is writable"};
}

Finding judge_store(const std::optional<Result<std::string>>& look, bool as_root) {
  const std::string name = "store";
  const Cure cure = advice("start it, or correct the settings that say where it is (docs/stores.md)");
  if (!look) return {name, State::kBroken, "does not answer in time", cure};
  if (*look) return {name, State::kOk, **look};
  const Error& error = look->error();
  if (error.code == ErrorCode::kNotFound) return {name, State::kOk, error.message};
  if (error.code == ErrorCode::kPermissionDenied && !as_root) {
    return {name, State::kNote, error.message, command("sudo vpn-enabler doctor")};
  }
  return {name, State::kBroken, error.message, cure};
}

}  // namespace vpn::doctor
