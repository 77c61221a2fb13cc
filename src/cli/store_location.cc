#include "cli/store_location.h"

#include <system_error>

namespace vpn::cli {
namespace {

constexpr const char* kClientsFile = "clients.db";

bool take_prefix(std::string_view& text, std::string_view prefix) {
  if (!text.starts_with(prefix)) return false;
  text.remove_prefix(prefix.size());
  return true;
}

Fault parse_sqlite(std::string_view text, StoreLocation& out) {
  if (text.empty()) return "names no file";
  std::error_code error;
  std::filesystem::path path = std::filesystem::absolute(text, error).lexically_normal();
  if (error) return "is no path that can be used here (" + error.message() + ")";
  if (!path.has_filename() || std::filesystem::is_directory(path, error)) path /= kClientsFile;
  out = SqliteFile{std::move(path)};
  return {};
}

Fault parse_ltse(std::string_view text, StoreLocation& out) {
  if (!text.starts_with("http://") && !text.starts_with("https://")) return "holds no http:// or https:// URL";
  const std::size_t hash = text.rfind('#');
  const std::string_view index = hash == std::string_view::npos ? kDefaultLtseIndex : text.substr(hash + 1);
  if (index.empty()) return "names no index behind its #";
  out = LtseIndex{std::string(text.substr(0, hash)), std::string(index)};
  return {};
}

}  // namespace

Fault parse_store_location(std::string_view text, StoreLocation& out) {
  if (text.starts_with("mongodb://") || text.starts_with("mongodb+srv://")) {
    out = MongodbUri{std::string(text)};
    return {};
  }
  if (take_prefix(text, "sqlite:")) return parse_sqlite(text, out);
  if (take_prefix(text, "ltse:")) return parse_ltse(text, out);
  return "begins with none of sqlite:, mongodb://, mongodb+srv://, ltse:";
}

bool is_same_store(const StoreLocation& a, const StoreLocation& b) {
  const auto* one = std::get_if<SqliteFile>(&a);
  const auto* other = std::get_if<SqliteFile>(&b);
  std::error_code missing;
  return a == b || (one != nullptr && other != nullptr && std::filesystem::equivalent(one->path, other->path, missing));
}

bool may_hold_clients(const StoreLocation& location) {
  const auto* file = std::get_if<SqliteFile>(&location);
  std::error_code missing;
  return file == nullptr || (std::filesystem::file_size(file->path, missing) > 0 && !missing);
}

}  // namespace vpn::cli
