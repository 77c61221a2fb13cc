// What the gateway keeps of itself: its private key and, where one is needed, the API's token. Each is generated once.
//
// One thread, at start.
#pragma once

#include <filesystem>

#include "base/error.h"
#include "base/key.h"
#include "base/random.h"
#include "control/api/auth.h"

namespace vpn::cli {

constexpr const char* kPrivateKeyFile = "private-key";
constexpr const char* kApiTokenFile = "api-token";

/// Makes the directory, 0700, and those above it when they are missing. One that exists keeps its mode (it may be a
/// volume's): the files in it are 0600 by themselves.
Status prepare_state_directory(const std::filesystem::path& directory);

/// The key in the directory; at the very first call a fresh one, durable before it is returned. kCorrupt when the file
/// holds anything but a key: clients know the old key, so a new one would lock all of them out.
Result<PrivateKey> load_or_create_private_key(const std::filesystem::path& directory, Random& random);

/// The same for the API's token: 256 random bits, in hex.
Result<control::BearerToken> load_or_create_api_token(const std::filesystem::path& directory, Random& random);

}  // namespace vpn::cli
