// Files that hold a setting or a secret: bounded reads, and writes that are whole or absent after a crash.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/unique_fd.h"

namespace vpn::cli {

/// The whole file. kNotFound when there is none, kInvalidArgument above `max_bytes`. The caller wipes a secret text.
Result<std::string> read_small_file(const std::filesystem::path& path, std::size_t max_bytes);

/// Replaces the file `name` in the directory: temporary file `name`.new, fsync, rename, fsync of the directory. Mode
/// 0600. For directories of our own: a `name`.new that is there is taken for one that a crash left.
Status write_file_atomically(const std::filesystem::path& directory, const std::string& name, std::string_view text);

/// Writes all of `text`; `what` names the target in an error.
Status write_fully(int fd, std::string_view text, std::string_view what);

/// A file that did not exist before, mode 0600. It is removed again at the end unless it was to be kept.
class NewFile {
 public:
  /// kAlreadyExists when there is anything at the path, which then stays as it is.
  static Result<NewFile> create(const std::filesystem::path& path);
  NewFile(NewFile&&) = default;
  NewFile& operator=(NewFile&&) = delete;
  ~NewFile();

  /// Durable when it returns.
  Status write(std::string_view text);
  void keep() { fd_.reset(); }

 private:
  NewFile(const std::filesystem::path& path, UniqueFd fd) : path_(path), fd_(std::move(fd)) {}

  std::filesystem::path path_;
  UniqueFd fd_;  // none: moved from, or to be kept
};

/// A file, 0600, that appears at its path whole or not at all, wherever that is: it is written beside it, under a name
/// of its own, which is gone when it is not published. Only a regular file is ever replaced, nothing written through.
class WholeFile {
 public:
  enum class Existing { kRefuse, kReplace };

  /// kAlreadyExists when there is anything at the path and it is not to be replaced; kInvalidArgument when it could not
  /// be, a symbolic link for instance.
  static Result<WholeFile> create(const std::filesystem::path& path, Existing existing);
  WholeFile(WholeFile&& other) noexcept;
  WholeFile& operator=(WholeFile&&) = delete;
  ~WholeFile();

  Status write(std::string_view text);
  /// Durable when it returns. kAlreadyExists as above.
  Status publish();

 private:
  WholeFile(std::filesystem::path path, Existing existing, std::string temporary, UniqueFd fd);

  std::filesystem::path path_;
  Existing existing_;
  std::string temporary_;  // empty: moved from, or published
  UniqueFd fd_;
};

}  // namespace vpn::cli
