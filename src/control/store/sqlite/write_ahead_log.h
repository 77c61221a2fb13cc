// Whether the write-ahead log of a database is whole, asked before SQLite goes by it: SQLite takes the log as far as
// its checksums hold and drops the rest without a word. That is right for what a power cut leaves of the last commit,
// and wrong for a damaged disk, which would cost every commit behind the damage.
//
//   header, 32 bytes: magic, format, page size, checkpoint number, two salts, checksum
//   frame, 24 bytes and a page: page number; database size in pages when it ends a commit, else 0; the salts; the
//   checksum of everything from the header to here                                  (SQLite's file format, section 4)
//
// A log begins anew, with new salts, over the frames of the earlier one, so frames of other salts may lie at its end.
// A commit is synced before the next one is written: what follows a commit whose frames are bad was acknowledged.
#pragma once

#include <cstddef>
#include <string>

#include "base/error.h"

namespace vpn::control::sqlite {

enum class LogEnd {
  kClean,
  kTorn,  ///< in a commit that was never acknowledged
};

/// Reads the log of the database at `path`, changes nothing. `required`: the database needs one. kCorrupt, with the
/// cure, when it is missing then, or damaged.
Result<LogEnd> check_log(const std::string& path, bool required);

/// Makes sure of the room on the disk for this many more pages of the log, which keeps its size. Success too where the
/// file system cannot promise any.
Status reserve_log(const std::string& path, std::size_t pages);

}  // namespace vpn::control::sqlite
