// The part of Elasticsearch's REST API (7.x) that the store needs, behind the LTSE gateway's path /nosql/api, where it
// is passed on as it is. No scripts, no refresh on the way of a change.
//
// One thread; abort() from any. Owned by the store and by each feed: a connection each.
//
// Errors of every call: kUnavailable (away, overloaded, too late, or an answer that we did not expect: may succeed
// later); kPermissionDenied (401, 403) and kInvalidArgument, both with field LTSE_URL, for what a person must mend.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/random.h"
#include "control/store/ltse/http_client.h"

namespace vpn::control::ltse {

/// Which state of a document it is; a change may be conditional on it (if_seq_no, if_primary_term).
struct Version {
  std::int64_t seq_no = -1;
  std::int64_t primary_term = 0;
  auto operator<=>(const Version&) const = default;
};

struct Document {
  std::string id;
  Version version;
  boost::json::object source;
};

struct DocumentId {
  std::string index;
  std::string id;
};

/// One change of a document.
struct Write {
  enum class Kind { kCreate, kReplace, kDelete };
  Kind kind = Kind::kCreate;
  DocumentId document;
  boost::json::object source = {};      ///< not for kDelete
  std::optional<Version> only_if = {};  ///< not for kCreate, whose condition is that there is none
};

/// What became of a Write.
struct Written {
  enum class Outcome { kDone, kConflict, kMissing };
  Outcome outcome = Outcome::kDone;
  Version version = {};  ///< but of kConflict; a deletion that found nothing has a number too
  bool done() const { return outcome == Outcome::kDone; }
};

/// How far an index has come: two that are equal have nothing between them.
struct Revision {
  std::string index_uuid;
  /// A shard each: every copy of it holds every change up to this number, which so is never given again.
  std::vector<std::int64_t> checkpoints;
  bool operator==(const Revision&) const = default;
};

class Elasticsearch {
 public:
  /// `random` outlives it.
  Elasticsearch(ServerUrl server, Random& random);

  const ServerUrl& server() const { return http_.server(); }

  /// The index's description; nullopt: there is none of that name.
  Result<std::optional<boost::json::object>> find_index(const std::string& index, Deadline deadline);

  /// The index, made with these settings and mappings when it is absent. kInvalidArgument, field LTSE_INDEX, when it
  /// answers before a change is on the disk (index.translog.durability).
  Status ensure_index(const std::string& index, const boost::json::object& definition, Deadline deadline);

  /// Each document as it is now, refreshed or not; nullopt: there is none.
  Result<std::vector<std::optional<Document>>> get(std::span<const DocumentId> ids, Deadline deadline);

  /// All changes in one request: those of one index in their order, each by itself, durable when it returns. After an
  /// error any of them may have been done.
  Result<std::vector<Written>> write(std::span<const Write> writes, Deadline deadline);

  /// Every document of the index, as it is at one moment: all of them, or kUnavailable. The caller's `visit` gets them
  /// in no order.
  Status scan(const std::string& index, const std::function<void(Document)>& visit);

  Result<Revision> revision(const std::string& index, Deadline deadline);
  /// Documents whose last change has a number in (after, until]; up to `limit` of them.
  Result<std::vector<Document>> changed(const std::string& index, std::int64_t after, std::int64_t until,
                                        std::size_t limit, Deadline deadline);

  bool pause(std::chrono::milliseconds duration) { return http_.pause(duration); }
  void abort() { http_.abort(); }

 private:
  struct Reply {
    unsigned status = 0;
    boost::json::object body;
    bool ok() const { return status < 300; }
  };
  /// When a request is sent again: also when its connection turns out to be dead; when the server says that it is too
  /// busy; never.
  enum class Repeat { kAlways, kWhenBusy, kNever };
  Result<Reply> call(HttpMethod method, const std::string& path, std::string body, Deadline deadline,
                     Repeat repeat = Repeat::kAlways);
  Result<Reply> judge(HttpAnswer answer) const;
  Error unexpected(const Reply& reply) const;
  Result<std::vector<std::size_t>> write_some(std::span<const Write> writes, std::span<const std::size_t> which,
                                              std::span<Written> results, Deadline deadline);
  Status refresh(const std::string& index, Deadline deadline);
  bool back_off(unsigned attempt, Deadline deadline);

  HttpClient http_;
  Random& random_;
};

}  // namespace vpn::control::ltse
