#include "open_store.h"

#include <string>
#include <utility>
#include <variant>

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

}  // namespace

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

AnyStore open_store(const cli::StoreLocation& location, const Clock& clock, Random& random, Logger& logger) {
  if (const auto* mongodb = std::get_if<cli::MongodbUri>(&location)) {
    return any(control::MongoStore::create({.host = mongodb->uri, .user = {}, .password = {}}, logger));
  }
  if (const auto* ltse = std::get_if<cli::LtseIndex>(&location)) {
    return any(control::LtseStore::create({.url = ltse->url, .index = ltse->index}, clock, random, logger));
  }
  return any(control::SqliteStore::open(std::get<cli::SqliteFile>(location).path, logger));
}

}  // namespace vpn
