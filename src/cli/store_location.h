// Which store a command line means: "sqlite:/var/lib/vpn-enabler/clients.db", "mongodb://...", "ltse:http://...". Plain
// values; no store is touched.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <variant>

#include "cli/setting_values.h"

namespace vpn::cli {

struct SqliteFile {
  std::filesystem::path path;  ///< absolute
  bool operator==(const SqliteFile&) const = default;
};
struct MongodbUri {
  std::string uri;  ///< mongodb:// or mongodb+srv://, as given; may hold a password
  bool operator==(const MongodbUri&) const = default;
};
struct LtseIndex {
  std::string url;  ///< http:// or https://; may hold a password
  std::string index;
  bool operator==(const LtseIndex&) const = default;
};
using StoreLocation = std::variant<SqliteFile, MongodbUri, LtseIndex>;

constexpr const char* kDefaultLtseIndex = "vpn-enabler";

/// A directory stands for the clients.db in it. LTSE_INDEX may follow the LTSE's URL behind a '#'. What a URI may say
/// is otherwise the store's to judge. The fault repeats nothing of the text, which may hold a password.
Fault parse_store_location(std::string_view text, StoreLocation& out);

/// Whether both are one store, by whatever paths.
bool is_same_store(const StoreLocation& a, const StoreLocation& b);

/// False for a SQLite file that is not there, or empty: to open it would make a database of it.
bool may_hold_clients(const StoreLocation& location);

}  // namespace vpn::cli
