#include "cli/small_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

#include "base/secret.h"

namespace vpn::cli {
namespace {

constexpr mode_t kOwnerOnly = 0600;

Status write_durably(int fd, std::string_view text, const std::filesystem::path& path) {
  if (Status written = write_fully(fd, text, path.string()); !written) return written;
  if (::fsync(fd) != 0) return fail(system_error("fsync " + path.string(), errno));
  return {};
}

Failure exists_already(const std::filesystem::path& path) {
  return fail(ErrorCode::kAlreadyExists, path.string() + " exists already and is not overwritten");
}

Status sync_directory(const std::filesystem::path& directory) {
  const UniqueFd fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) return fail(system_error("open " + directory.string(), errno));
  if (::fsync(fd.get()) != 0) return fail(system_error("fsync " + directory.string(), errno));
  return {};
}

/// rename(2) that replaces nothing: EEXIST.
int rename_to_new(const char* from, const char* to) {
  if (::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL) return -1;  // a file system that cannot, NFS for instance
  return ::link(from, to) == 0 ? ::unlink(from) : -1;
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
  if (!fd && errno == EEXIST) return exists_already(path);
  if (!fd) return fail(system_error("create " + path.string(), errno));
  return NewFile(path, std::move(fd));
}

NewFile::~NewFile() {
  if (fd_) ::unlink(path_.c_str());
}

Status NewFile::write(std::string_view text) {
  return write_durably(fd_.get(), text, path_);
}

Result<WholeFile> WholeFile::create(const std::filesystem::path& path, Existing existing) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) == 0) {
    if (existing == Existing::kRefuse) return exists_already(path);
    if (!S_ISREG(status.st_mode)) {
      return fail(ErrorCode::kInvalidArgument, path.string() + " is no regular file and is not replaced");
    }
  }
  std::string temporary = path.string() + ".XXXXXX";
  UniqueFd fd(::mkostemp(temporary.data(), O_CLOEXEC));  // 0600, and new
  if (!fd) return fail(system_error("create " + path.string(), errno));
  return WholeFile(path, existing, std::move(temporary), std::move(fd));
}

WholeFile::WholeFile(std::filesystem::path path, Existing existing, std::string temporary, UniqueFd fd)
    : path_(std::move(path)), existing_(existing), temporary_(std::move(temporary)), fd_(std::move(fd)) {}

WholeFile::WholeFile(WholeFile&& other) noexcept
    : path_(std::move(other.path_)),
      existing_(other.existing_),
      temporary_(std::exchange(other.temporary_, {})),
      fd_(std::move(other.fd_)) {}

WholeFile::~WholeFile() {
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

Status WholeFile::write(std::string_view text) {
  return write_fully(fd_.get(), text, path_.string());
}

Status WholeFile::publish() {
  if (::fsync(fd_.get()) != 0) return fail(system_error("fsync " + path_.string(), errno));
  const bool replaces = existing_ == Existing::kReplace;
  const int renamed =
      replaces ? ::rename(temporary_.c_str(), path_.c_str()) : rename_to_new(temporary_.c_str(), path_.c_str());
  if (renamed != 0 && errno == EEXIST) return exists_already(path_);
  if (renamed != 0) return fail(system_error("rename to " + path_.string(), errno));
  temporary_.clear();
  return sync_directory(path_.has_parent_path() ? path_.parent_path() : ".");
}

}  // namespace vpn::cli
