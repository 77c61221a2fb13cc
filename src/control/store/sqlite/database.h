// A SQLite connection and its prepared statements, with errors as values. The only files that see sqlite3.h are in this
// folder.
//
// One thread at a time. A Statement does not outlive its Database.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/error.h"

struct sqlite3;
struct sqlite3_stmt;

namespace vpn::control::sqlite {

/// A prepared statement. Parameters count from 1, columns from 0. What is bound, and what a column shows, is borrowed:
/// bound bytes must live until reset(), a column's until the next next() or reset().
class Statement {
 public:
  Statement() = default;

  void bind(int parameter, std::int64_t value);
  void bind(int parameter, ByteView blob);
  void bind(int parameter, std::string_view text);
  void bind_null(int parameter);

  /// Runs to the next row: true when there is one, false at the end.
  Result<bool> next();
  /// Runs to the end, then resets.
  Status run();
  /// Ready to run again, its parameters forgotten.
  void reset();

  std::int64_t integer(int column) const;
  ByteView blob(int column) const;
  std::string_view text(int column) const;
  bool is_null(int column) const;

 private:
  friend class Database;
  struct Finalize {
    void operator()(sqlite3_stmt* statement) const;
  };
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  std::unique_ptr<sqlite3_stmt, Finalize> statement_;
};

/// Errors of both classes: kAlreadyExists for a constraint, kConflict when another process holds the file, kCorrupt for
/// one that is damaged or no database, kPermissionDenied when the system refuses, else kUnavailable. The message is
/// SQLite's, with the system's reason where there is one.
class Database {
 public:
  Database() = default;

  /// Opens an existing file for reading and writing. Its log, if there is one, stays when it is closed.
  static Result<Database> open(const std::string& path);

  /// Runs statements whose rows, if any, do not matter.
  Status execute(const std::string& sql);
  Result<Statement> prepare(std::string_view sql);
  /// The first column of the only row, for a PRAGMA or a count.
  Result<std::int64_t> read_integer(std::string_view sql);
  Result<std::string> read_text(std::string_view sql);

  /// As the database file has it by itself, without what stands in the log; 0 for an empty file.
  Result<std::int64_t> stored_user_version();
  /// When this is closed, the log is copied to the database file, and then removed.
  void remove_log_on_close();

  /// Rows changed by the last INSERT, UPDATE or DELETE.
  int changes() const;
  bool in_transaction() const;

 private:
  struct Close {
    void operator()(sqlite3* connection) const;
  };

  std::unique_ptr<sqlite3, Close> connection_;
};

}  // namespace vpn::control::sqlite
