// genkey, pubkey, genpsk: as `wg` does them, without it.
#pragma once

#include "cli/command_line.h"

namespace vpn::cli {

/// Prints a fresh private key.
int run_genkey(const Arguments& arguments);
/// Prints a fresh preshared key.
int run_genpsk(const Arguments& arguments);
/// Reads a private key from stdin and prints its public key.
int run_pubkey(const Arguments& arguments);

}  // namespace vpn::cli
