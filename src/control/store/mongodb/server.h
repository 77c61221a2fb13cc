// Commands to the MongoDB server over a pool of connections, with errors as ours.
//
// Safe from any thread: each call borrows a client of its own. Owned by MongoStore.
#pragma once

#include <mongoc/mongoc.h>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "control/store/mongodb/document.h"
#include "control/store/mongodb/options.h"

namespace vpn::control::mongodb {

struct PoolDeleter {
  void operator()(mongoc_client_pool_t* pool) const { mongoc_client_pool_destroy(pool); }
};
struct CollectionDeleter {
  void operator()(mongoc_collection_t* collection) const { mongoc_collection_destroy(collection); }
};
using Collection = std::unique_ptr<mongoc_collection_t, CollectionDeleter>;

/// A client borrowed from the pool; it goes back by itself.
struct Lease {
  mongoc_client_pool_t* pool;
  void operator()(mongoc_client_t* client) const { mongoc_client_pool_push(pool, client); }
};
using Connection = std::unique_ptr<mongoc_client_t, Lease>;

struct Write {
  enum class Kind { kInsert, kUpdate, kUpsert, kReplace, kRemove };
  Kind kind;
  Document filter;  ///< of kInsert, empty
  Document value;   ///< of kRemove, empty
};

struct CursorDeleter {
  void operator()(mongoc_cursor_t* cursor) const { mongoc_cursor_destroy(cursor); }
};
struct Cursor {
  Connection connection;
  std::unique_ptr<mongoc_cursor_t, CursorDeleter> cursor;  // goes before its connection
};

/// How many documents were inserted, matched or removed. A write that a unique index refused is no error: it hits none.
using Hits = std::size_t;

/// What answers.
struct Deployment {
  bool has_change_streams = false;  ///< not so where a mongod stands alone
  std::string process;              ///< of one that stands alone: another one since its last start
  bool operator==(const Deployment&) const = default;
};

class Server {
 public:
  Server(Uri uri, const MongoOptions& options);

  Result<Connection> connection();
  /// When every connection has been given back. Waits for the library's threads, and those for a server that is away.
  void disconnect();
  const std::string& description() const { return description_; }
  const std::string& database() const { return database_; }
  Collection collection(mongoc_client_t* client, const char* name) const;

  /// As the library's watch has heard last, without a request; nullopt when nobody answers.
  std::optional<Deployment> deployment();

  /// Runs a command on the primary, with our write concern where it writes; the server's answer. An error with
  /// the harmless code is none.
  Result<Document> command(const Document& command);
  Result<Document> write_command(const Document& command, std::uint32_t harmless_code = 0);

  /// Calls `each` with every document that fits, a `const bson_t&`, as a majority has it: no fail-over can take it
  /// back. `options` may hold hint, batchSize.
  template <typename Each>
  Status find(const char* collection, const Document& filter, Document options, Each each) {
    auto found = open(collection, filter, std::move(options));
    if (!found) return fail(std::move(found).error());
    const bson_t* document = nullptr;
    while (mongoc_cursor_next(found->cursor.get(), &document)) each(*document);
    return ended(*found);
  }

  /// Each write by itself, in no order. Majority and journalled unless `soon`: then acknowledged by the primary alone.
  /// An error means that any of the writes may have happened or not, or may happen yet.
  Result<Hits> write(const char* collection, const std::vector<Write>& writes, bool soon = false);

  /// Words and code for what the library says. Anything that may pass by itself is kUnavailable.
  Error error(const bson_error_t& cause) const;

 private:
  Result<Cursor> open(const char* name, const Document& filter, Document options);
  Status ended(const Cursor& found) const;

  const Uri uri_;
  const std::string database_;
  const std::string user_;
  const std::string role_;  ///< what the user needs
  const std::string description_;
  std::mutex mutex_;
  std::unique_ptr<mongoc_client_pool_t, PoolDeleter> pool_;  // guarded by mutex_; made at the first use
};

}  // namespace vpn::control::mongodb
