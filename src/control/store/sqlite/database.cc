#include "control/store/sqlite/database.h"

#include <sqlite3.h>

#include <array>
#include <system_error>

#include "base/check.h"

namespace vpn::control::sqlite {
namespace {

ErrorCode code_of(int result) {
  switch (result & 0xff) {
    case SQLITE_CONSTRAINT:
      return ErrorCode::kAlreadyExists;
    case SQLITE_BUSY:
      return ErrorCode::kConflict;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return ErrorCode::kCorrupt;
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_READONLY:
      return ErrorCode::kPermissionDenied;
    default:
      return ErrorCode::kUnavailable;
  }
}

/// For the call that just failed with `result`.
Error last_error(sqlite3* connection, int result) {
  std::string message = sqlite3_errstr(result);
  const int kind = result & 0xff;
  const int reason = sqlite3_system_errno(connection);
  if ((kind == SQLITE_IOERR || kind == SQLITE_CANTOPEN) && reason != 0) {
    message += " (" + std::generic_category().message(reason) + ")";
  }
  return {code_of(result), message};
}

}  // namespace

void Statement::Finalize::operator()(sqlite3_stmt* statement) const {
  sqlite3_finalize(statement);
}

void Statement::bind(int parameter, std::int64_t value) {
  CHECK(sqlite3_bind_int64(statement_.get(), parameter, value) == SQLITE_OK);
}

void Statement::bind(int parameter, ByteView blob) {
  CHECK(sqlite3_bind_blob64(statement_.get(), parameter, blob.data(), blob.size(), SQLITE_STATIC) == SQLITE_OK);
}

void Statement::bind(int parameter, std::string_view text) {
  // A null pointer would bind NULL instead of an empty text.
  const char* data = text.data() != nullptr ? text.data() : "";
  CHECK(sqlite3_bind_text64(statement_.get(), parameter, data, text.size(), SQLITE_STATIC, SQLITE_UTF8) == SQLITE_OK);
}

void Statement::bind_null(int parameter) {
  CHECK(sqlite3_bind_null(statement_.get(), parameter) == SQLITE_OK);
}

Result<bool> Statement::next() {
  const int result = sqlite3_step(statement_.get());
  if (result == SQLITE_ROW) return true;
  if (result == SQLITE_DONE) return false;
  return fail(last_error(sqlite3_db_handle(statement_.get()), result));
}

Status Statement::run() {
  Result<bool> row = true;
  while (row && *row) row = next();
  reset();
  if (!row) return fail(std::move(row).error());
  return {};
}

void Statement::reset() {
  sqlite3_reset(statement_.get());  // its result repeats the failure of the last step
  sqlite3_clear_bindings(statement_.get());
}

std::int64_t Statement::integer(int column) const {
  return sqlite3_column_int64(statement_.get(), column);
}

ByteView Statement::blob(int column) const {
  const void* data = sqlite3_column_blob(statement_.get(), column);
  return {static_cast<const std::uint8_t*>(data),
          static_cast<std::size_t>(sqlite3_column_bytes(statement_.get(), column))};
}

std::string_view Statement::text(int column) const {
  const ByteView bytes = blob(column);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

bool Statement::is_null(int column) const {
  return sqlite3_column_type(statement_.get(), column) == SQLITE_NULL;
}

void Database::Close::operator()(sqlite3* connection) const {
  sqlite3_close(connection);
}

Result<Database> Database::open(const std::string& path) {
  sqlite3* connection = nullptr;
  const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
  const int result = sqlite3_open_v2(path.c_str(), &connection, flags, nullptr);
  Database database;
  database.connection_.reset(connection);
  if (result != SQLITE_OK) return fail(last_error(connection, result));
  CHECK(sqlite3_db_config(connection, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr) == SQLITE_OK);
  return database;
}

Status Database::execute(const std::string& sql) {
  const int result = sqlite3_exec(connection_.get(), sql.c_str(), nullptr, nullptr, nullptr);
  if (result != SQLITE_OK) return fail(last_error(connection_.get(), result));
  return {};
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  const int result = sqlite3_prepare_v3(connection_.get(), sql.data(), static_cast<int>(sql.size()),
                                        SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (result != SQLITE_OK) return fail(last_error(connection_.get(), result));
  return Statement(statement);
}

Result<std::int64_t> Database::read_integer(std::string_view sql) {
  auto statement = prepare(sql);
  if (!statement) return fail(std::move(statement).error());
  const Result<bool> row = statement->next();
  if (!row) return fail(row.error());
  return *row ? statement->integer(0) : 0;
}

Result<std::string> Database::read_text(std::string_view sql) {
  auto statement = prepare(sql);
  if (!statement) return fail(std::move(statement).error());
  const Result<bool> row = statement->next();
  if (!row) return fail(row.error());
  return std::string(*row ? statement->text(0) : "");
}

Result<std::int64_t> Database::stored_user_version() {
  // By SQLite's own descriptor: to close another one would drop the lock that this process holds (fcntl(2)).
  sqlite3_file* file = nullptr;
  CHECK(sqlite3_file_control(connection_.get(), "main", SQLITE_FCNTL_FILE_POINTER, &file) == SQLITE_OK);
  constexpr std::int64_t kOffset = 60;  // SQLite's file format, section 1.3
  std::array<std::uint8_t, 4> version{};
  const int result = file->pMethods->xRead(file, version.data(), static_cast<int>(version.size()), kOffset);
  if (result != SQLITE_OK && result != SQLITE_IOERR_SHORT_READ) return fail(last_error(connection_.get(), result));
  return std::int64_t{load_be32(version.data())};
}

void Database::remove_log_on_close() {
  CHECK(sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr) == SQLITE_OK);
}

int Database::changes() const {
  return sqlite3_changes(connection_.get());
}

bool Database::in_transaction() const {
  return sqlite3_get_autocommit(connection_.get()) == 0;
}

}  // namespace vpn::control::sqlite
