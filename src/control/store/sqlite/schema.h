// The file format of the SQLite store: how a file of ours is known, and the way from any older version to today's.
//
// One thread at a time.
#pragma once

#include <cstdint>
#include <string>

#include "base/error.h"
#include "control/store/sqlite/database.h"

namespace vpn::control::sqlite {

/// "VPNe", PRAGMA application_id: tells our file from another program's.
constexpr std::int64_t kApplicationId = 0x56504e65;

/// The version that this program writes, PRAGMA user_version.
std::int64_t schema_version();

/// Added to user_version, in the database file itself, while acknowledged clients may stand in the log alone: a log
/// that is missing then was lost.
constexpr std::int64_t kNeedsItsLog = 0x10000;

/// Whose file this is, and of which version: 0 for a new, empty one. Changes nothing. kCorrupt for another program's
/// database or a damaged one, kUnsupported for one of a newer version; `path` is for the message.
Result<std::int64_t> identify(Database& database, const std::string& path);

/// Brings the file from `version` to today's, in one transaction.
Status migrate(Database& database, std::int64_t version);

/// Marks the database file with kNeedsItsLog, and brings it up to date with its log. To be done before the first commit
/// is acknowledged.
Status require_log(Database& database);

/// Takes the mark away, in the log: the database file has no mark once it has all else that stands there.
Status release_log(Database& database);

/// Reads every page: kCorrupt when one is damaged.
Status check_integrity(Database& database, const std::string& path);

}  // namespace vpn::control::sqlite
