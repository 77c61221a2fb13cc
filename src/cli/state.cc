#include "cli/state.h"

#include <fcntl.h>
#include <net/if.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <functional>
#include <sstream>
#include <system_error>
#include <thread>

#include "base/encoding.h"
#include "base/secret.h"
#include "base/unique_fd.h"
#include "cli/setting_values.h"
#include "cli/small_file.h"
#include "engine/crypto/x25519.h"

namespace vpn::cli {
namespace {

/// Room for a secret, a newline, and a person's edit that an error should then name.
constexpr std::size_t kMaxSecretFileBytes = 4096;
constexpr std::size_t kMaxRuledInterfacesBytes = 4096;
static_assert(kMaxRuledInterfacesBytes >= kMaxRuledInterfaces * IF_NAMESIZE);

/// The text of the file without its last newline. kNotFound.
Result<std::string> load(const std::filesystem::path& path) {
  Result<std::string> text = read_small_file(path, kMaxSecretFileBytes);
  if (text && text->ends_with('\n')) text->pop_back();
  return text;
}

/// The text of the file without its last newline; when there is none, what `make` gives, stored first. The lock on the
/// directory lets two processes that start together agree on one secret; a crash leaves it absent or whole.
Result<std::string> load_or_create(const std::filesystem::path& directory, const char* name,
                                   const std::function<std::string()>& make) {
  const UniqueFd lock(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!lock || ::flock(lock.get(), LOCK_EX) != 0) return fail(system_error("lock " + directory.string(), errno));

  Result<std::string> text = load(directory / name);
  if (text || text.error().code != ErrorCode::kNotFound) return text;

  std::string fresh = make();
  std::string line(fresh.size() + 1, '\n');  // to append to `fresh` could leave a copy of the secret in freed memory
  fresh.copy(line.data(), fresh.size());
  const Status written = write_file_atomically(directory, name, line);
  wipe(line.data(), line.size());
  if (written) return fresh;
  wipe(fresh.data(), fresh.size());
  return fail(written.error());
}

Failure corrupt(const std::filesystem::path& path, const Fault& fault, const char* cure) {
  return fail(ErrorCode::kCorrupt, path.string() + ": the content " + fault + "; " + cure);
}

/// An earlier process, killed a moment ago, may not be gone yet.
constexpr std::chrono::milliseconds kLockPatience{1000};
constexpr std::chrono::milliseconds kLockInterval{10};

Error in_use(const std::filesystem::path& directory) {
  return {ErrorCode::kUnavailable,
          directory.string() +
              " is in use by another process, perhaps a second vpn-enabler. Stop that one, or give "
              "this one a STATE_DIR of its own"};
}

/// Wipes the text.
Result<PrivateKey> private_key_of(const std::filesystem::path& directory, std::string& text) {
  std::optional<PrivateKey> key;
  const Fault fault = parse_private_key(text, key);
  wipe(text.data(), text.size());
  if (!fault.empty()) {
    return corrupt(directory / kPrivateKeyFile, fault,
                   "restore it from a backup, or remove it to get a new key that every client must be told");
  }
  return *key;
}

}  // namespace

Status prepare_state_directory(const std::filesystem::path& directory) {
  std::error_code error;
  std::filesystem::create_directories(directory.parent_path(), error);
  if (error) return fail(system_error("create " + directory.parent_path().string(), error.value()));
  if (::mkdir(directory.c_str(), 0700) == 0) return {};
  if (errno != EEXIST) return fail(system_error("create " + directory.string(), errno));
  if (!std::filesystem::is_directory(directory, error)) {
    return fail(ErrorCode::kInvalidArgument, "STATE_DIR: " + directory.string() + " is not a directory", "STATE_DIR");
  }
  return {};
}

Result<UniqueFd> lock_state_directory(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / "lock";
  UniqueFd lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock) return fail(system_error("cannot write " + path.string(), errno));
  for (auto waited = kLockPatience; ::flock(lock.get(), LOCK_EX | LOCK_NB) != 0; waited -= kLockInterval) {
    if (errno != EWOULDBLOCK && errno != EINTR) return fail(system_error("cannot lock " + path.string(), errno));
    if (waited <= kLockInterval) return fail(in_use(directory));
    std::this_thread::sleep_for(kLockInterval);
  }
  return lock;
}

Result<PrivateKey> load_or_create_private_key(const std::filesystem::path& directory, Random& random) {
  return load_or_keep_private_key(directory, engine::crypto::generate_private_key(random));
}

Result<PrivateKey> load_or_keep_private_key(const std::filesystem::path& directory, const PrivateKey& fresh) {
  Result<std::string> text = fresh.is_zero()
                                 ? load(directory / kPrivateKeyFile)
                                 : load_or_create(directory, kPrivateKeyFile, [&] { return reveal_base64(fresh); });
  if (!text) return fail(text.error());
  return private_key_of(directory, *text);
}

Result<PrivateKey> propose_private_key(const std::filesystem::path& directory, Random& random) {
  Result<PrivateKey> kept = load_or_keep_private_key(directory, PrivateKey());
  if (!kept && kept.error().code == ErrorCode::kNotFound) return engine::crypto::generate_private_key(random);
  return kept;
}

Result<control::BearerToken> load_or_create_api_token(const std::filesystem::path& directory, Random& random) {
  Result<std::string> text = load_or_create(directory, kApiTokenFile, [&] {
    Secret<32> bits;
    random.fill(bits.reveal_mutable());
    return hex_encode(bits.reveal());
  });
  if (!text) return fail(text.error());
  std::optional<control::BearerToken> token;
  const Fault fault = parse_token(*text, token);
  wipe(text->data(), text->size());
  if (!fault.empty()) return corrupt(directory / kApiTokenFile, fault, "correct it, or remove it to get a new one");
  return *token;
}

Result<std::vector<std::string>> note_ruled_interface(const std::filesystem::path& directory,
                                                      const std::string& interface_name) {
  Result<std::string> text = read_small_file(directory / kRuledInterfacesFile, kMaxRuledInterfacesBytes);
  if (!text && text.error().code != ErrorCode::kNotFound) return fail(text.error());
  std::vector<std::string> earlier;
  std::istringstream lines(text.value_or(""));
  for (std::string line, name; std::getline(lines, line);) {
    if (const Fault fault = parse_interface(line, name); !fault.empty()) {
      return corrupt(directory / kRuledInterfacesFile, fault, "correct or remove it");
    }
    if (name != interface_name) earlier.push_back(name);
  }
  if (earlier.size() >= kMaxRuledInterfaces) earlier.erase(earlier.begin(), earlier.end() - (kMaxRuledInterfaces - 1));

  std::string noted;
  for (const std::string& name : earlier) noted += name + "\n";
  noted += interface_name + "\n";
  if (!text || *text != noted) {
    if (Status kept = write_file_atomically(directory, kRuledInterfacesFile, noted); !kept) return fail(kept.error());
  }
  return earlier;
}

Status forget_ruled_interfaces(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kRuledInterfacesFile;
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) return fail(system_error("remove " + path.string(), errno));
  return {};
}

}  // namespace vpn::cli
