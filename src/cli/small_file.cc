#include "cli/small_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "base/secret.h"

namespace vpn::cli {
namespace {

constexpr mode_t kOwnerOnly = 0600;

Status write_durably(int fd, std::string_view text, const std::filesystem::path& path) {
  if (Status written = write_fully(fd, text, path.string()); !written) return written;
  if (::fsync(fd) != 0) return fail(system_error("fsync " + path.string(), errno));
  return {};
}

Status sync_directory(const std::filesystem::path& directory) {
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail(system_error("open " + directory.string(), errno));
  if (::fsync(fd.get()) != 0) return fail(system_error("fsync " + directory.string(), errno));
  return {};
}

}  // namespace

Result<std::string> read_small_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd && errno == ENOENT) return fail(ErrorCode::kNotFound, path.string() + ": no such file");
  if (!fd) return fail(system_error("open " + path.string(), errno));
  std::string text(max_bytes + 1, '\0');  // one size, so that no reallocation leaves a copy of a secret behind
  std::size_t size = 0;
  while (size < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + size, text.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail(system_error("read " + path.string(), errno));
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
  }
  if (size > max_bytes) {
    wipe(text.data(), text.size());
    return fail(ErrorCode::kInvalidArgument,
                path.string() + ": larger than " + std::to_string(max_bytes) + " bytes, not the file that is meant");
  }
  text.resize(size);
  return text;
}

Status write_file_atomically(const std::filesystem::path& directory, const std::string& name, std::string_view text) {
  const std::filesystem::path temporary = directory / (name + ".new");
  {
    const UniqueFd fd(::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, kOwnerOnly));
    if (!fd) return fail(system_error("create " + temporary.string(), errno));
    // One left by a crash may have another mode.
    if (::fchmod(fd.get(), kOwnerOnly) != 0) return fail(system_error("chmod " + temporary.string(), errno));
    if (Status written = write_durably(fd.get(), text, temporary); !written) {
      ::unlink(temporary.c_str());
      return written;
    }
  }
  const std::filesystem::path path = directory / name;
  if (::rename(temporary.c_str(), path.c_str()) != 0) return fail(system_error("rename to " + path.string(), errno));
  return sync_directory(directory);
}

Status write_fully(int fd, std::string_view text, std::string_view what) {
  while (!text.empty()) {
    const ssize_t written = ::write(fd, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return fail(system_error("write " + std::string(what), errno));
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

Result<NewFile> NewFile::create(const std::filesystem::path& path) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, kOwnerOnly));
  if (!fd && errno == EEXIST) {
    return fail(ErrorCode::kAlreadyExists, path.string() + " exists already and is not overwritten");
  }
  if (!fd) return fail(system_error("create " + path.string(), errno));
  return NewFile(path, std::move(fd));
}

NewFile::~NewFile() {
  if (fd_) ::unlink(path_.c_str());
}

Status NewFile::write(std::string_view text) {
  return write_durably(fd_.get(), text, path_);
}

}  // namespace vpn::cli
