// Clients in one SQLite file: the store of a gateway that stands alone.
//
// Durable: WAL with synchronous=FULL, so a commit has been fsynced when commit() returns. Owned by main.cc; called from
// one thread at a time.
//
// The log (-wal) holds what was acknowledged since it was last copied to the database file, and SQLite drops whatever
// of it it cannot read: so the database file says that it has one, and open() reads it first (write_ahead_log.h).
//
// One process only: the file is opened with locking_mode=EXCLUSIVE. Its lock belongs to the process, so kill -9 frees
// it; and the WAL index stays in memory, so no -shm file is needed, which network file systems cannot share.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "control/store/sqlite/database.h"
#include "control/store/store.h"

namespace vpn::control {

class SqliteStore final : public Store {
 public:
  /// Opens the file, or creates it (0600) and its directory (0700). Errors, each naming the path and the cure:
  /// kPermissionDenied or kIo (not writable), kUnavailable (another process has it), kCorrupt (damaged, or not ours),
  /// kUnsupported (newer format).
  static Result<std::unique_ptr<SqliteStore>> open(const std::string& path, Logger& logger);
  /// Leaves one whole file, and no log.
  ~SqliteStore() override;

  std::string description() const override { return "sqlite at " + path_; }
  Result<Contents> load() override;
  std::vector<Status> commit(std::span<const Mutation> mutations) override;
  Status probe() override;

 private:
  SqliteStore(std::string path, sqlite::Database database) : path_(std::move(path)), database_(std::move(database)) {}

  Status prepare_statements();
  Status commit_together(std::span<const Mutation> mutations, std::vector<Status>& statuses);
  Status apply(const InsertClient& insert);
  Status apply(const RemoveClient& remove);
  Status apply(const SetClientEnabled& set);
  Result<Client> read_row() const;
  Result<Error> find_conflict(const Client& client);
  Error unavailable(const Error& cause) const;

  std::string path_;
  sqlite::Database database_;
  sqlite::Statement begin_, commit_, rollback_;
  sqlite::Statement select_all_, select_conflict_;
  sqlite::Statement insert_, remove_, set_enabled_, probe_;
  std::size_t failed_mutations_ = 0;  ///< of the last commit, when it failed
};

}  // namespace vpn::control
