// What the gateway keeps of itself: its private key and, where one is needed, the API's token, each generated once; and
// while it runs, for which interface it made firewall rules.
//
// One thread, at start.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/key.h"
#include "base/random.h"
#include "base/unique_fd.h"
#include "control/api/auth.h"

namespace vpn::cli {

constexpr const char* kPrivateKeyFile = "private-key";
constexpr const char* kApiTokenFile = "api-token";
constexpr const char* kRuledInterfacesFile = "ruled-interfaces";
/// Gateways killed one after another, each with another interface; the oldest are forgotten.
constexpr std::size_t kMaxRuledInterfaces = 64;

/// Makes the directory, 0700, and those above it when they are missing. One that exists keeps its mode (it may be a
/// volume's): the files in it are 0600 by themselves.
Status prepare_state_directory(const std::filesystem::path& directory);

/// The directory is this process's alone for as long as what is returned lives. kUnavailable when another has it.
Result<UniqueFd> lock_state_directory(const std::filesystem::path& directory);

/// The key in the directory; at the very first call a fresh one, durable before it is returned. kCorrupt when the file
/// holds anything but a key: clients know the old key, so a new one would lock all of them out.
Result<PrivateKey> load_or_create_private_key(const std::filesystem::path& directory, Random& random);

/// The key in the directory, of a gateway that kept its clients here before; without one a fresh one, which is not kept
/// here. kCorrupt as above.
Result<PrivateKey> propose_private_key(const std::filesystem::path& directory, Random& random);

/// The key in the directory; when there is none, `fresh` becomes it. An all-zero `fresh` only looks: kNotFound, and no
/// file is made. kCorrupt as above.
Result<PrivateKey> load_or_keep_private_key(const std::filesystem::path& directory, const PrivateKey& fresh);

/// As load_or_create_private_key(), for the API's token: 256 random bits, in hex.
Result<control::BearerToken> load_or_create_api_token(const std::filesystem::path& directory, Random& random);

/// Notes, before rules are made, that rules for the interface may stand; returns the others that were noted and never
/// forgotten: a kill may have left theirs. kCorrupt when the file holds anything but names. By one process at a time.
Result<std::vector<std::string>> note_ruled_interface(const std::filesystem::path& directory,
                                                      const std::string& interface_name);
/// When no rules of ours stand any more.
Status forget_ruled_interfaces(const std::filesystem::path& directory);

}  // namespace vpn::cli
