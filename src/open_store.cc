#include "open_store.h"

#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/key.h"
#include "control/store/ltse/ltse_store.h"
#include "control/store/mongodb/mongo_store.h"
#include "control/store/sqlite/sqlite_store.h"

namespace vpn {
namespace {

using AnyStore = Result<std::unique_ptr<control::Store>>;

/// Of a concrete store's result one of any store's.
template <typename Concrete>
AnyStore any(Result<std::unique_ptr<Concrete>> store) {
  if (!store) return fail(std::move(store).error());
  return std::move(*store);
}

/// SQLite would replay the file's log, and lock it, so only the file is looked at.
Result<std::string> look_at_file(const std::filesystem::path& path) {
  constexpr std::string_view kMagic = "SQLite format 3";  // https://www.sqlite.org/fileformat.html
  if (::access(path.c_str(), F_OK) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
    return fail(ErrorCode::kNotFound, "sqlite at " + path.string() + " will be made");
  }
  if (::access(path.c_str(), R_OK | W_OK) != 0) return fail(system_error("cannot write " + path.string(), errno));
  std::string head(kMagic.size(), '\0');
  std::ifstream file(path, std::ios::binary);
  file.read(head.data(), static_cast<std::streamsize>(head.size()));
  if (file.gcount() != 0 && head != kMagic) {
    return fail(ErrorCode::kCorrupt,
                path.string() + " is no SQLite database; put a backup in its place, or move it away");
  }
  return "sqlite at " + path.string();
}

}  // namespace

Result<std::string> look_at_store(const cli::Settings& settings) {
  if (settings.store == cli::StoreKind::kSqlite) return look_at_file(settings.state_dir / "clients.db");
  const SystemClock clock;
  SystemRandom random;
  NullLogger logger;
  const auto store = open_store(settings, clock, random, logger);
  if (!store) return fail(store.error());
  // An all-zero key only looks; that there is none yet is no fault.
  const auto key = (*store)->shared()->server_key(PrivateKey());
  if (!key && key.error().code != ErrorCode::kNotFound) return fail(key.error());
  return (*store)->description();
}

AnyStore open_store(const cli::Settings& settings, const Clock& clock, Random& random, Logger& logger) {
  switch (settings.store) {
    case cli::StoreKind::kMongodb:
      return any(control::MongoStore::create({.host = settings.mongodb_host,
                                              .port = settings.mongodb_port,
                                              .user = settings.mongodb_user,
                                              .password = std::string(settings.mongodb_pass)},
                                             logger));
    case cli::StoreKind::kLtse:
      return any(
          control::LtseStore::create({.url = settings.ltse_url, .index = settings.ltse_index}, clock, random, logger));
    case cli::StoreKind::kSqlite:
      break;
  }
  return any(control::SqliteStore::open(settings.state_dir / "clients.db", logger));
}

AnyStore open_store(const cli::StoreLocation& location, control::Access access, const Clock& clock, Random& random,
                    Logger& logger) {
  if (const auto* mongodb = std::get_if<cli::MongodbUri>(&location)) {
    return any(
        control::MongoStore::create({.host = mongodb->uri, .user = {}, .password = {}, .access = access}, logger));
  }
  if (const auto* ltse = std::get_if<cli::LtseIndex>(&location)) {
    return any(
        control::LtseStore::create({.url = ltse->url, .index = ltse->index, .access = access}, clock, random, logger));
  }
  return any(control::SqliteStore::open(std::get<cli::SqliteFile>(location).path, logger));
}

}  // namespace vpn
