#include "control/store/sqlite/sqlite_store.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

#include "base/check.h"
#include "base/unique_fd.h"
#include "control/store/sqlite/schema.h"
#include "control/store/sqlite/write_ahead_log.h"
#include "control/store/store_error.h"

namespace vpn::control {
namespace {

/// How long open() waits for an earlier process, killed a moment ago, to be gone.
constexpr int kOpenPatience_ms = 1000;

/// Pages of the log, 64 MB, at which a commit also copies them to the database, the longest that a commit takes. One
/// connection's creations, 10 s, the slowest 1 % as wrk counts (a stall counts as the requests that it kept from being
/// sent), on one disk: 7 to 20 ms at SQLite's own 1,000 pages, 1.6 to 2.2 ms at 4,000, 0.9 to 1.9 ms at this number.
constexpr int kLogPages = 16'000;

/// What a commit may write at most: a mutation changes a page of the table and one of each index, and now and then one
/// is split.
constexpr std::size_t kPagesPerMutation = 4, kPagesPerCommit = 16;

Failure not_writable(const std::filesystem::path& path, int error_number) {
  Error error = system_error("cannot write " + path.string(), error_number);
  error.message += ". Make it writable for this user, or point STATE_DIR at a directory that is";
  return fail(std::move(error));
}

/// mkdir -p with mode 0700.
Status make_private_directories(const std::filesystem::path& directory) {
  if (directory.empty() || mkdir(directory.c_str(), 0700) == 0 || errno == EEXIST) return {};
  if (errno != ENOENT || !directory.has_relative_path()) return not_writable(directory, errno);
  if (Status parent = make_private_directories(directory.parent_path()); !parent) return parent;
  if (mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) return not_writable(directory, errno);
  return {};
}

/// Leaves a file that is ours to write, 0600, which SQLite gives to its -wal file too. An existing file is not opened:
/// to close it would drop a lock that this process holds on it (fcntl(2)).
Status create_private_file(const std::filesystem::path& path) {
  const std::filesystem::path directory = path.has_parent_path() ? path.parent_path() : ".";
  if (Status created = make_private_directories(directory); !created) return created;
  if (faccessat(AT_FDCWD, directory.c_str(), W_OK | X_OK, AT_EACCESS) != 0) return not_writable(directory, errno);

  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd && errno != EEXIST) return not_writable(path, errno);
  if (faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK, AT_EACCESS) != 0) return not_writable(path, errno);
  if (chmod(path.c_str(), 0600) != 0) return not_writable(path, errno);

  // SQLite would delete the log of a missing or emptied database, and with it the clients.
  std::error_code no_file;
  const std::string log = path.string() + "-wal";
  if (std::filesystem::file_size(path, no_file) == 0 && std::filesystem::file_size(log, no_file) > 0 && !no_file) {
    return fail(ErrorCode::kCorrupt,
                path.string() + " is empty, but its log " + log +
                    " is not. Put the database file or a backup back; or, to begin without clients, "
                    "move the log away");
  }
  return {};
}

Error opening_failed(const std::string& path, const Error& cause) {
  if (cause.code == ErrorCode::kConflict) {
    return {ErrorCode::kUnavailable,
            path +
                " is in use by another process, perhaps a second vpn-enabler. Stop that one, or give this one a "
                "STATE_DIR of its own"};
  }
  return {cause.code, "cannot open " + path + ": " + cause.message};
}

}  // namespace

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::string& path, Logger& logger) {
  if (Status file = create_private_file(path); !file) return fail(std::move(file).error());
  auto database = sqlite::Database::open(path);
  if (!database) return fail(opening_failed(path, database.error()));

  if (Status locked = database->execute("PRAGMA locking_mode = EXCLUSIVE; PRAGMA busy_timeout = " +
                                        std::to_string(kOpenPatience_ms));
      !locked) {
    return fail(opening_failed(path, locked.error()));
  }
  const auto version = sqlite::identify(*database, path);
  if (!version) {
    const bool worded = version.error().code == ErrorCode::kCorrupt || version.error().code == ErrorCode::kUnsupported;
    return fail(worded ? version.error() : opening_failed(path, version.error()));
  }

  const auto stored_version = database->stored_user_version();
  if (!stored_version) return fail(opening_failed(path, stored_version.error()));
  const bool needs_log = (*stored_version & sqlite::kNeedsItsLog) != 0;
  const auto log_end = sqlite::check_log(path, needs_log);
  if (!log_end) return fail(log_end.error());

  // Only now, when the file is known to be ours and whole, it is changed. secure_delete: a removed client's preshared
  // key is overwritten.
  Status ready = database->execute(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON; PRAGMA wal_autocheckpoint = " +
      std::to_string(kLogPages));
  if (ready) ready = sqlite::migrate(*database, *version);
  if (!ready) return fail(opening_failed(path, ready.error()));
  if (Status whole = sqlite::check_integrity(*database, path); !whole) return fail(std::move(whole).error());
  if (!needs_log) ready = sqlite::require_log(*database);
  if (!ready) return fail(opening_failed(path, ready.error()));

  std::unique_ptr<SqliteStore> store(new SqliteStore(path, std::move(*database)));
  if (Status prepared = store->prepare_statements(); !prepared) return fail(opening_failed(path, prepared.error()));
  if (*log_end == sqlite::LogEnd::kTorn) {
    logger.warn(
        "the last change in the log is not whole and is dropped: the machine stopped while it was being written",
        {{"path", path}});
  }
  if (*version == 0) {
    logger.info("created an empty store", {{"path", path}});
  } else if (*version < sqlite::schema_version()) {
    logger.info("converted the store", {{"path", path},
                                        {"from_format", std::to_string(*version)},
                                        {"to_format", std::to_string(sqlite::schema_version())}});
  }
  return store;
}

SqliteStore::~SqliteStore() {
  // In this order: a log that is gone while the file still asks for it would be taken for a lost one.
  if (sqlite::release_log(database_)) database_.remove_log_on_close();
}

Status SqliteStore::prepare_statements() {
  const std::string version = std::to_string(sqlite::schema_version() | sqlite::kNeedsItsLog);
  const struct {
    sqlite::Statement& statement;
    std::string sql;
  } all[] = {
      {begin_, "BEGIN IMMEDIATE"},
      {commit_, "COMMIT"},
      {rollback_, "ROLLBACK"},
      {select_all_,
       "SELECT address, public_key, preshared_key, allowed_ips, name, enabled, created_at FROM client ORDER BY "
       "address"},
      {select_conflict_,
       "SELECT public_key = ?1, address = ?2 FROM client WHERE public_key = ?1 OR address = ?2 OR name = ?3 "
       "ORDER BY 1 DESC, 2 DESC LIMIT 1"},
      {insert_,
       "INSERT INTO client (address, public_key, preshared_key, allowed_ips, name, enabled, created_at) "
       "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"},
      {remove_, "DELETE FROM client WHERE public_key = ?1"},
      {set_enabled_, "UPDATE client SET enabled = ?2 WHERE public_key = ?1"},
      {probe_, "PRAGMA user_version = " + version},
  };
  for (const auto& [statement, sql] : all) {
    auto prepared = database_.prepare(sql);
    if (!prepared) return fail(std::move(prepared).error());
    statement = std::move(*prepared);
  }
  return {};
}

Result<Contents> SqliteStore::load() {
  std::vector<Client> clients;
  const auto count = database_.read_integer("SELECT count(*) FROM client");
  if (!count) return fail(opening_failed(path_, count.error()));
  clients.reserve(static_cast<std::size_t>(*count));

  Result<bool> row = select_all_.next();
  while (row && *row) {
    Result<Client> client = read_row();
    if (!client) {
      select_all_.reset();
      return fail(std::move(client).error());
    }
    clients.push_back(std::move(*client));
    row = select_all_.next();
  }
  select_all_.reset();
  if (!row) return fail(opening_failed(path_, row.error()));
  return Contents{.clients = std::move(clients), .faults = {}};
}

/// The row on which select_all_ stands. The schema's checks hold for what we wrote, but another tool may have written.
Result<Client> SqliteStore::read_row() const {
  const std::int64_t address = select_all_.integer(0);
  const ByteView public_key = select_all_.blob(1), preshared_key = select_all_.blob(2);
  const bool has_preshared_key = !select_all_.is_null(2);
  if (address < 0 || address > UINT32_MAX || public_key.size() != kKeySize ||
      (has_preshared_key && preshared_key.size() != kKeySize)) {
    return fail(ErrorCode::kCorrupt, path_ + " holds a client that is none (address " + std::to_string(address) +
                                         "). Put a backup in its place, or delete that row");
  }
  Client client;
  client.address = IpAddress::v4(static_cast<std::uint32_t>(address));
  std::copy(public_key.begin(), public_key.end(), client.public_key.bytes.begin());
  if (has_preshared_key) client.preshared_key.emplace(preshared_key.first<kKeySize>());
  client.allowed_ips = select_all_.text(3);
  client.name = select_all_.text(4);
  client.enabled = select_all_.integer(5) != 0;
  client.created_at = WallTime(std::chrono::nanoseconds(select_all_.integer(6)));
  return client;
}

std::vector<Status> SqliteStore::commit(std::span<const Mutation> mutations) {
  std::vector<Status> statuses;
  if (mutations.empty()) return statuses;
  statuses.reserve(mutations.size());
  if (Status committed = commit_together(mutations, statuses); !committed) {
    // After some failures SQLite has rolled back by itself.
    if (database_.in_transaction()) (void)rollback_.run();
    statuses.assign(mutations.size(), fail(unavailable(committed.error())));
    failed_mutations_ = mutations.size();
  } else {
    failed_mutations_ = 0;
  }
  return statuses;
}

/// One transaction; a refused mutation leaves nothing in it (SQLite undoes a statement that fails on a constraint).
Status SqliteStore::commit_together(std::span<const Mutation> mutations, std::vector<Status>& statuses) {
  if (Status begun = begin_.run(); !begun) return begun;
  for (const Mutation& mutation : mutations) {
    Status status = std::visit([this](const auto& change) { return apply(change); }, mutation);
    const bool refused =
        !status && (status.error().code == ErrorCode::kAlreadyExists || status.error().code == ErrorCode::kNotFound);
    if (!status && !refused) return status;
    statuses.push_back(std::move(status));
  }
  return commit_.run();
}

Status SqliteStore::apply(const InsertClient& insert) {
  const Client& client = insert.client;
  CHECK(client.address.is_v4());
  insert_.bind(1, std::int64_t{client.address.v4_host_order()});
  insert_.bind(2, ByteView(client.public_key.bytes));
  if (client.preshared_key) insert_.bind(3, ByteView(client.preshared_key->reveal()));
  insert_.bind(4, std::string_view(client.allowed_ips));
  if (!client.name.empty()) insert_.bind(5, std::string_view(client.name));
  insert_.bind(6, std::int64_t{client.enabled});
  insert_.bind(7, std::int64_t{client.created_at.time_since_epoch().count()});
  Status inserted = insert_.run();
  if (inserted || inserted.error().code != ErrorCode::kAlreadyExists) return inserted;
  const Result<Error> conflict = find_conflict(client);
  return fail(conflict ? *conflict : conflict.error());
}

Status SqliteStore::apply(const RemoveClient& remove) {
  remove_.bind(1, ByteView(remove.public_key.bytes));
  if (Status removed = remove_.run(); !removed) return removed;
  if (database_.changes() == 0) return fail(client_not_found(remove.public_key));
  return {};
}

Status SqliteStore::apply(const SetClientEnabled& set) {
  set_enabled_.bind(1, ByteView(set.public_key.bytes));
  set_enabled_.bind(2, std::int64_t{set.enabled});
  if (Status updated = set_enabled_.run(); !updated) return updated;
  if (database_.changes() == 0) return fail(client_not_found(set.public_key));
  return {};
}

/// Which of a refused client's values is taken.
Result<Error> SqliteStore::find_conflict(const Client& client) {
  select_conflict_.bind(1, ByteView(client.public_key.bytes));
  select_conflict_.bind(2, std::int64_t{client.address.v4_host_order()});
  if (!client.name.empty()) select_conflict_.bind(3, std::string_view(client.name));
  const Result<bool> row = select_conflict_.next();
  const bool same_key = row && *row && select_conflict_.integer(0) != 0;
  const bool same_address = row && *row && select_conflict_.integer(1) != 0;
  select_conflict_.reset();
  if (!row) return fail(row.error());
  CHECK(*row);  // the schema's other constraints hold for every client that reaches a store
  if (same_key) return client_exists(client.public_key);
  if (same_address) return address_taken(client.address);
  return name_taken(client.name);
}

Status SqliteStore::probe() {
  // What it writes is smaller than an insertion, and would fit where none does.
  if (failed_mutations_ > 0) {
    Status room = sqlite::reserve_log(path_, failed_mutations_ * kPagesPerMutation + kPagesPerCommit);
    if (!room) return fail(unavailable(room.error()));
  }
  if (Status written = probe_.run(); !written) return fail(unavailable(written.error()));
  return {};
}

Error SqliteStore::unavailable(const Error& cause) const {
  return {ErrorCode::kUnavailable, "cannot write " + path_ + ": " + cause.message};
}

}  // namespace vpn::control
