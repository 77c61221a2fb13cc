// Small files that hold a setting or a secret: bounded reads, and writes that are whole or absent after a crash.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>

#include "base/error.h"

namespace vpn::cli {

/// The whole file. kNotFound when there is none, kInvalidArgument above `max_bytes`. The caller wipes a secret text.
Result<std::string> read_small_file(const std::filesystem::path& path, std::size_t max_bytes);

/// Replaces the file `name` in the directory: temporary file, fsync, rename, fsync of the directory. Mode 0600.
Status write_file_atomically(const std::filesystem::path& directory, const std::string& name, std::string_view text);

/// Creates a file that must not exist yet, mode 0600, and makes it durable. kAlreadyExists when it does.
Status write_new_file(const std::filesystem::path& path, std::string_view text);

}  // namespace vpn::cli
