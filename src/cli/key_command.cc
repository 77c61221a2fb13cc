#include "cli/key_command.h"

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <optional>

#include "base/key.h"
#include "base/random.h"
#include "engine/crypto/x25519.h"

namespace vpn::cli {
namespace {

/// A line as long as this is no key; the rest of it is not read.
constexpr int kMaxLineBytes = 256;

void warn_of_readable_output() {
  struct stat output{};
  if (::fstat(STDOUT_FILENO, &output) == 0 && S_ISREG(output.st_mode) && (output.st_mode & S_IRWXO) != 0) {
    std::fputs("vpn-enabler: warning: everyone may read the file that this key goes to; set umask 077 first\n", stderr);
  }
}

int print_secret(const Secret<kKeySize>& key) {
  warn_of_readable_output();
  std::string text = reveal_base64(key);
  Status written = write_output(text);
  wipe(text.data(), text.size());
  if (written) written = write_output("\n");
  return written ? kSuccess : report(written.error());
}

std::optional<PrivateKey> read_private_key() {
  std::string line(kMaxLineBytes, '\0');
  if (std::fgets(line.data(), kMaxLineBytes, stdin) == nullptr) return std::nullopt;
  const std::size_t end = line.find_last_not_of(std::string_view("\0\n\r\t ", 5));
  const auto key = PrivateKey::parse(std::string_view(line).substr(0, end == std::string::npos ? 0 : end + 1));
  wipe(line.data(), line.size());
  return key;
}

}  // namespace

int run_genkey(const Arguments& arguments) {
  CLI::App app("Prints a fresh private key.", "vpn-enabler genkey");
  app.footer("Example:\n  vpn-enabler genkey | tee private.key | vpn-enabler pubkey > public.key");
  if (const auto exit_code = parse_command_line(app, arguments)) return *exit_code;
  SystemRandom random;
  return print_secret(engine::crypto::generate_private_key(random));
}

int run_genpsk(const Arguments& arguments) {
  CLI::App app("Prints a fresh preshared key.", "vpn-enabler genpsk");
  app.footer("Example:\n  vpn-enabler genpsk > preshared.key");
  if (const auto exit_code = parse_command_line(app, arguments)) return *exit_code;
  SystemRandom random;
  PresharedKey key;
  random.fill(key.reveal_mutable());
  return print_secret(key);
}

int run_pubkey(const Arguments& arguments) {
  CLI::App app("Reads a private key from standard input and prints its public key.", "vpn-enabler pubkey");
  app.footer("Example:\n  vpn-enabler pubkey < private.key");
  if (const auto exit_code = parse_command_line(app, arguments)) return *exit_code;
  const std::optional<PrivateKey> key = read_private_key();
  if (!key) {
    return report({ErrorCode::kInvalidArgument, "standard input is not a private key of 44 base64 characters"});
  }
  return print(to_string(engine::crypto::derive_public_key(*key)) + "\n");
}

}  // namespace vpn::cli
