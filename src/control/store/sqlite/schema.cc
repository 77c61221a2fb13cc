#include "control/store/sqlite/schema.h"

#include <array>

namespace vpn::control::sqlite {
namespace {

// kMigrations[n] leads from version n to n + 1. Never change one that was released; add the next.
constexpr std::array kMigrations = {
    R"(CREATE TABLE client (
  address       INTEGER PRIMARY KEY    -- IPv4 in the VPN, as an unsigned 32-bit number: 192.168.2.2 is 3232236034
                CHECK (address BETWEEN 0 AND 4294967295),
  public_key    BLOB NOT NULL UNIQUE   -- the client's identity, a Curve25519 public key
                CHECK (length(public_key) = 32),
  preshared_key BLOB                   -- SECRET, mixed into its handshakes; NULL: none
                CHECK (length(preshared_key) = 32),
  allowed_ips   TEXT NOT NULL,         -- what the client was told it reaches: 0.0.0.0/0,::/0
  name          TEXT,                  -- for people, unique; NULL: none
  enabled       INTEGER NOT NULL       -- 1: may connect; 0: may not, and keeps its address
                CHECK (enabled IN (0, 1)),
  created_at    INTEGER NOT NULL       -- nanoseconds since 1970-01-01 UTC
) STRICT;
-- Partial: a client without a name costs a commit no page of it.
CREATE UNIQUE INDEX client_name ON client (name) WHERE name IS NOT NULL)",
};

Failure damaged(const std::string& path, const std::string& what) {
  return fail(ErrorCode::kCorrupt, path + " is damaged (" + what +
                                       "). Put a backup in its place; or, to begin without clients, move it away "
                                       "together with its -wal file");
}

}  // namespace

std::int64_t schema_version() {
  return std::ssize(kMigrations);
}

Result<std::int64_t> identify(Database& database, const std::string& path) {
  std::array<std::int64_t, 3> answers{};
  constexpr std::array kQuestions = {"PRAGMA application_id", "PRAGMA user_version",
                                     "SELECT count(*) FROM sqlite_schema"};
  for (std::size_t i = 0; i < kQuestions.size(); ++i) {
    const auto answer = database.read_integer(kQuestions[i]);
    if (!answer)
      return answer.error().code == ErrorCode::kCorrupt ? damaged(path, answer.error().message) : fail(answer.error());
    answers[i] = *answer;
  }
  const auto [application, marked_version, tables] = answers;
  const std::int64_t version = marked_version & ~kNeedsItsLog;
  if (application == 0 && version == 0 && tables == 0) return 0;
  if (application != kApplicationId) {
    return fail(ErrorCode::kCorrupt,
                path + " is the database of another program. Point STATE_DIR at a directory of our own, " +
                    "or move the file away");
  }
  if (version > schema_version()) {
    return fail(ErrorCode::kUnsupported,
                path + " was written by a newer vpn-enabler (format " + std::to_string(version) + ", this one knows " +
                    std::to_string(schema_version()) +
                    "). Run the newer version, or put a backup of the older format in its place");
  }
  if (version < 1) return damaged(path, "it has no format version");
  return version;
}

Status migrate(Database& database, std::int64_t version) {
  if (version == schema_version()) return {};
  std::string script = "BEGIN EXCLUSIVE; PRAGMA application_id = " + std::to_string(kApplicationId) + ";";
  for (auto step = static_cast<std::size_t>(version); step < kMigrations.size(); ++step) {
    script += kMigrations[step];
    script += ";";
  }
  script += "PRAGMA user_version = " + std::to_string(schema_version()) + "; COMMIT";
  Status migrated = database.execute(script);
  if (!migrated && database.in_transaction()) (void)database.execute("ROLLBACK");
  return migrated;
}

Status require_log(Database& database) {
  const std::int64_t marked_version = schema_version() | kNeedsItsLog;
  if (Status marked = database.execute("PRAGMA user_version = " + std::to_string(marked_version)); !marked)
    return marked;
  // PASSIVE leaves the log as it is: from now on it is never empty.
  if (Status copied = database.execute("PRAGMA wal_checkpoint(PASSIVE)"); !copied) return copied;
  const auto stored = database.stored_user_version();
  if (!stored) return fail(stored.error());
  if (*stored != marked_version) return fail(ErrorCode::kUnavailable, "the log cannot be copied to it");
  return {};
}

Status release_log(Database& database) {
  return database.execute("PRAGMA user_version = " + std::to_string(schema_version()));
}

Status check_integrity(Database& database, const std::string& path) {
  const auto verdict = database.read_text("PRAGMA quick_check(1)");
  if (!verdict && verdict.error().code != ErrorCode::kCorrupt) return fail(verdict.error());
  const std::string& words = verdict ? *verdict : verdict.error().message;
  if (words != "ok") return damaged(path, words);
  return {};
}

}  // namespace vpn::control::sqlite
