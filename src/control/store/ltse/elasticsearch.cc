#include "control/store/ltse/elasticsearch.h"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <numeric>
#include <utility>

#include "base/check.h"
#include "base/secret.h"

namespace vpn::control::ltse {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kRoot = "/nosql/api";
constexpr std::string_view kJson = "application/json";
constexpr std::string_view kNewlineJson = "application/x-ndjson";
/// Documents of one answer of a scan.
constexpr int kPageSize = 5000;
/// How long the server keeps a scan that nobody asks to go on, and how long one page may take.
constexpr std::string_view kScanLife = "1m";
constexpr seconds kPageTime{30};
constexpr milliseconds kFirstPause{50};
constexpr milliseconds kLongestPause{1000};

constexpr unsigned kConflictStatus = 409;
constexpr unsigned kMissingStatus = 404;

/// Not now, and nothing done: too busy, or no shard to do it.
bool is_overload(std::int64_t status) {
  return status == 429 || status == 503;
}

/// The member at the end of a path of names, or null.
template <typename... Names>
const json::value* find(const json::value& value, const Names&... names) {
  const json::value* at = &value;
  for (const std::string_view name : {std::string_view(names)...}) {
    const json::object* object = at->if_object();
    at = object != nullptr ? object->if_contains(name) : nullptr;
    if (at == nullptr) return nullptr;
  }
  return at;
}

std::int64_t integer(const json::value* value, std::int64_t otherwise) {
  const std::int64_t* number = value != nullptr ? value->if_int64() : nullptr;
  return number != nullptr ? *number : otherwise;
}

std::string text(const json::value* value) {
  const json::string* string = value != nullptr ? value->if_string() : nullptr;
  return string != nullptr ? std::string(*string) : std::string();
}

Version version_of(const json::value& document) {
  return {integer(find(document, "_seq_no"), -1), integer(find(document, "_primary_term"), 0)};
}

Document document_of(json::value& value) {
  Document document{text(find(value, "_id")), version_of(value), {}};
  json::value* source = value.get_object().if_contains("_source");
  if (source != nullptr && source->is_object()) document.source = std::move(source->get_object());
  return document;
}

/// `{"create":{...}}` and the source, a line each.
void append_line(std::string& body, const Write& write) {
  constexpr std::string_view kNames[] = {"create", "index", "delete"};
  json::object where{{"_index", write.document.index}, {"_id", write.document.id}};
  if (write.only_if) {
    where["if_seq_no"] = write.only_if->seq_no;
    where["if_primary_term"] = write.only_if->primary_term;
  }
  body += json::serialize(json::object{{kNames[static_cast<std::size_t>(write.kind)], std::move(where)}}) + '\n';
  if (write.kind != Write::Kind::kDelete) body += json::serialize(write.source) + '\n';
}

/// The hits of a search's answer, or null.
json::array* hits_of(json::object& body) {
  json::value* outer = body.if_contains("hits");
  json::value* inner = outer != nullptr && outer->is_object() ? outer->get_object().if_contains("hits") : nullptr;
  return inner != nullptr ? inner->if_array() : nullptr;
}

/// How many documents a search finds, on all its pages together.
std::int64_t total_of(const json::object& body) {
  const json::value* hits = body.if_contains("hits");
  return hits != nullptr ? integer(find(*hits, "total", "value"), -1) : -1;
}

/// Whether every shard answered: with one away, Elasticsearch gives what it has and calls it success.
bool is_whole(const json::object& body) {
  const json::value* shards = body.if_contains("_shards");
  const json::value* timed_out = body.if_contains("timed_out");
  return shards != nullptr && integer(find(*shards, "failed"), 1) == 0 &&
         integer(find(*shards, "successful"), -1) == integer(find(*shards, "total"), -2) &&
         (timed_out == nullptr || !timed_out->is_bool() || !timed_out->get_bool());
}

}  // namespace

Elasticsearch::Elasticsearch(ServerUrl server, Random& random) : http_(std::move(server)), random_(random) {}

/// Waits before an attempt is repeated: longer each time, and not in step with the other gateways. False when the
/// deadline would pass, or abort() was called.
bool Elasticsearch::back_off(unsigned attempt, Deadline deadline) {
  const milliseconds most = std::min(kLongestPause, kFirstPause * (1u << std::min(attempt, 5u)));
  const milliseconds pause = most / 2 + milliseconds(random_.below(static_cast<std::uint32_t>(most.count() / 2)));
  return std::chrono::steady_clock::now() + pause < deadline && http_.pause(pause);
}

Result<Elasticsearch::Reply> Elasticsearch::call(HttpMethod method, const std::string& path, std::string body,
                                                 Deadline deadline, Repeat repeat) {
  HttpRequest request{method, std::string(kRoot) + path, body.empty() ? std::string_view() : kJson, std::move(body),
                      repeat == Repeat::kAlways};
  if (path == "/_bulk") request.content_type = kNewlineJson;
  for (unsigned attempt = 0;; ++attempt) {
    HttpRequest copy = request;
    Result<HttpAnswer> answer = http_.call(std::move(copy), deadline);
    const bool busy = answer && is_overload(answer->status);
    if (busy && repeat != Repeat::kNever && back_off(attempt, deadline)) continue;
    wipe(request.body.data(), request.body.size());
    if (!answer) return fail(std::move(answer).error());
    return judge(std::move(*answer));
  }
}

/// An answer that the caller can use, or the error that it is for every caller.
Result<Elasticsearch::Reply> Elasticsearch::judge(HttpAnswer answer) const {
  const std::string where = server().display();
  boost::system::error_code malformed;
  json::value body = json::parse(answer.body, malformed);
  wipe(answer.body.data(), answer.body.size());
  const std::string type = malformed ? std::string() : text(find(body, "error", "type"));

  if (type == "cluster_block_exception") {  // 403 or 429: most often a full disk makes indices read-only
    return fail(ErrorCode::kUnavailable,
                "the LTSE at " + where + " refuses to write: " + text(find(body, "error", "reason")));
  }
  if (answer.status == 401 || answer.status == 403) {
    return fail(ErrorCode::kPermissionDenied,
                "the LTSE at " + where + " refuses us (HTTP " + std::to_string(answer.status) +
                    "): set a user who may read, write and create the index, and the password, in LTSE_URL, as in "
                    "http://user:password@ltse-api:8080",
                "LTSE_URL");
  }
  if (is_overload(answer.status) || answer.status >= 500) {
    const std::string reason = type.empty() ? type : ": " + type + ": " + text(find(body, "error", "reason"));
    return fail(ErrorCode::kUnavailable,
                "the LTSE at " + where + " is not ready (HTTP " + std::to_string(answer.status) + ")" + reason);
  }
  if (malformed || !body.is_object()) {
    return fail(ErrorCode::kInvalidArgument,
                "what answers at " + where + std::string(kRoot) + " is no LTSE (HTTP " + std::to_string(answer.status) +
                    ", and no JSON): is LTSE_URL right?",
                "LTSE_URL");
  }
  return Reply{answer.status, std::move(body.get_object())};
}

Error Elasticsearch::unexpected(const Reply& reply) const {
  const json::value* error = reply.body.if_contains("error");
  std::string said = text(error);  // of a path that it does not know
  if (said.empty() && error != nullptr) said = text(find(*error, "type")) + " " + text(find(*error, "reason"));
  return {ErrorCode::kUnavailable, "the LTSE at " + server().display() + " answered unexpectedly: HTTP " +
                                       std::to_string(reply.status) + (said.empty() ? "" : ": " + said) +
                                       "; if that is no LTSE, correct LTSE_URL"};
}

Result<std::optional<json::object>> Elasticsearch::find_index(const std::string& index, Deadline deadline) {
  Result<Reply> reply = call(HttpMethod::kGet, "/" + index, {}, deadline);
  if (!reply) return fail(std::move(reply).error());
  if (reply->status == kMissingStatus) {
    const json::value* error = reply->body.if_contains("error");
    if (error != nullptr && text(find(*error, "type")) == "index_not_found_exception") return std::nullopt;
    return fail(ErrorCode::kInvalidArgument,
                "what answers at " + server().display() + " has no " + std::string(kRoot) + ": is LTSE_URL right?",
                "LTSE_URL");
  }
  if (!reply->ok() || reply->body.empty()) return fail(unexpected(*reply));
  return std::optional(std::move(reply->body));
}

Status Elasticsearch::ensure_index(const std::string& index, const json::object& definition, Deadline deadline) {
  auto found = find_index(index, deadline);
  if (found && !*found) {
    Result<Reply> created = call(HttpMethod::kPut, "/" + index, json::serialize(definition), deadline);
    if (!created) return fail(std::move(created).error());
    // 400: another gateway was first. Any other fault shows when it is asked for again.
    if (!created->ok() && created->status != 400) return fail(unexpected(*created));
    found = find_index(index, deadline);
  }
  if (!found) return fail(std::move(found).error());
  if (!*found) return fail(ErrorCode::kUnavailable, "the index " + index + " is away");
  for (const auto& [name, description] : **found) {
    const json::value* translog = find(description, "settings", "index");
    if (translog != nullptr && text(find(*translog, "translog", "durability")) == "async") {
      return fail(ErrorCode::kInvalidArgument,
                  "the index " + std::string(name) +
                      " answers before a change is on the disk: set its "
                      "index.translog.durability to \"request\", or name another in LTSE_INDEX",
                  "LTSE_INDEX");
    }
  }
  return {};
}

Result<std::vector<std::optional<Document>>> Elasticsearch::get(std::span<const DocumentId> ids, Deadline deadline) {
  std::vector<std::optional<Document>> documents;
  if (ids.empty()) return documents;
  json::array wanted;
  for (const auto& [index, id] : ids) wanted.push_back(json::object{{"_index", index}, {"_id", id}});
  Result<Reply> reply =
      call(HttpMethod::kPost, "/_mget", json::serialize(json::object{{"docs", std::move(wanted)}}), deadline);
  if (!reply) return fail(std::move(reply).error());
  json::value* found = reply->body.if_contains("docs");
  if (!reply->ok() || found == nullptr || !found->is_array() || found->get_array().size() != ids.size()) {
    return fail(unexpected(*reply));
  }
  documents.reserve(ids.size());
  for (json::value& each : found->get_array()) {
    if (const json::value* error = find(each, "error"); error != nullptr) {
      if (text(find(*error, "type")) != "index_not_found_exception") {
        return fail(ErrorCode::kUnavailable, "the LTSE cannot read now: " + text(find(*error, "reason")));
      }
      documents.emplace_back();
      continue;
    }
    const json::value* exists = find(each, "found");
    const bool there = exists != nullptr && exists->is_bool() && exists->get_bool();
    documents.push_back(there ? std::optional(document_of(each)) : std::nullopt);
  }
  return documents;
}

Result<std::vector<Written>> Elasticsearch::write(std::span<const Write> writes, Deadline deadline) {
  std::vector<Written> results(writes.size());
  std::vector<std::size_t> open(writes.size());
  std::iota(open.begin(), open.end(), std::size_t{0});
  for (unsigned attempt = 0; !open.empty(); ++attempt) {
    auto left = write_some(writes, open, results, deadline);
    if (!left) return fail(std::move(left).error());
    open = std::move(*left);
    if (!open.empty() && !back_off(attempt, deadline)) {
      return fail(ErrorCode::kUnavailable, "the LTSE at " + server().display() + " is too busy to write");
    }
  }
  return results;
}

/// One request for those that `which` numbers; returns the ones that the server was too busy for.
Result<std::vector<std::size_t>> Elasticsearch::write_some(std::span<const Write> writes,
                                                           std::span<const std::size_t> which,
                                                           std::span<Written> results, Deadline deadline) {
  std::string body;
  for (const std::size_t i : which) append_line(body, writes[i]);
  Result<Reply> reply = call(HttpMethod::kPost, "/_bulk", std::move(body), deadline, Repeat::kWhenBusy);
  if (!reply) return fail(std::move(reply).error());
  const json::value* items = reply->body.if_contains("items");
  if (!reply->ok() || items == nullptr || !items->is_array() || items->get_array().size() != which.size()) {
    return fail(unexpected(*reply));
  }
  std::vector<std::size_t> busy;
  for (std::size_t k = 0; k < which.size(); ++k) {
    const json::object* item = items->get_array()[k].if_object();
    if (item == nullptr || item->size() != 1) return fail(unexpected(*reply));
    const json::value& result = item->begin()->value();
    const std::int64_t status = integer(find(result, "status"), 0);
    Written& written = results[which[k]];
    if (is_overload(status)) {
      busy.push_back(which[k]);
    } else if (status >= 200 && status < 300) {
      written = {Written::Outcome::kDone, version_of(result)};
    } else if (status == kConflictStatus) {
      written = {Written::Outcome::kConflict, {}};
    } else if (status == kMissingStatus && find(result, "_seq_no") != nullptr) {  // without: the index is missing
      written = {Written::Outcome::kMissing, version_of(result)};
    } else {
      return fail(ErrorCode::kUnavailable, "the LTSE at " + server().display() + " refuses a change (" +
                                               std::to_string(status) + "): " + text(find(result, "error", "reason")));
    }
  }
  return busy;
}

Status Elasticsearch::refresh(const std::string& index, Deadline deadline) {
  const Result<Reply> reply = call(HttpMethod::kPost, "/" + index + "/_refresh", {}, deadline);
  if (!reply) return fail(reply.error());
  if (!reply->ok()) return fail(unexpected(*reply));
  return {};
}

// By a scroll: it sees the index as it was at its first request, also when its shards are many (a search_after over
// _seq_no does not: each shard counts for itself), and needs nothing beyond the core of Elasticsearch.
Status Elasticsearch::scan(const std::string& index, const std::function<void(Document)>& visit) {
  const auto page_deadline = [] { return std::chrono::steady_clock::now() + kPageTime; };
  if (Status refreshed = refresh(index, page_deadline()); !refreshed) return refreshed;
  Result<Reply> page =
      call(HttpMethod::kPost, "/" + index + "/_search?scroll=" + std::string(kScanLife),
           json::serialize(json::object{
               {"size", kPageSize}, {"sort", {"_doc"}}, {"seq_no_primary_term", true}, {"track_total_hits", true}}),
           page_deadline());
  Status status;
  std::string scroll;
  std::int64_t visited = 0;
  while (true) {
    if (!page) {
      status = fail(page.error());
      break;
    }
    json::array* hits = hits_of(page->body);
    if (const std::string id = text(page->body.if_contains("_scroll_id")); !id.empty()) scroll = id;
    if (page->ok() && hits != nullptr && !is_whole(page->body)) {
      status = fail(ErrorCode::kUnavailable, "a part of the index " + index + " cannot be read now");
      break;
    }
    if (!page->ok() || hits == nullptr || scroll.empty()) {
      status = fail(unexpected(*page));
      break;
    }
    if (hits->empty()) {
      // Somebody on the way may have asked for a page twice.
      if (const std::int64_t total = total_of(page->body); visited != total) {
        status = fail(ErrorCode::kUnavailable, "of " + std::to_string(total) + " documents of the index " + index +
                                                   " only " + std::to_string(visited) + " came");
      }
      break;
    }
    for (json::value& hit : *hits) visit(document_of(hit));
    visited += static_cast<std::int64_t>(hits->size());
    // A page that was lost on its way is not given again.
    page = call(HttpMethod::kPost, "/_search/scroll",
                json::serialize(json::object{{"scroll", kScanLife}, {"scroll_id", scroll}}), page_deadline(),
                Repeat::kNever);
  }
  if (!scroll.empty()) {  // it ends by itself too; this frees the server's memory now
    (void)call(HttpMethod::kDelete, "/_search/scroll", json::serialize(json::object{{"scroll_id", scroll}}),
               page_deadline());
  }
  return status;
}

Result<Revision> Elasticsearch::revision(const std::string& index, Deadline deadline) {
  const Result<Reply> reply = call(HttpMethod::kGet,
                                   "/" + index +
                                       "/_stats?level=shards&filter_path=indices.*.uuid,indices.*.shards.*.seq_no,"
                                       "indices.*.shards.*.routing.primary",
                                   {}, deadline);
  if (!reply) return fail(reply.error());
  const json::value* indices = reply->body.if_contains("indices");
  const json::object* each = indices != nullptr ? indices->if_object() : nullptr;
  if (reply->status == kMissingStatus || (reply->ok() && (each == nullptr || each->size() != 1))) {
    return fail(ErrorCode::kUnavailable, "the index " + index + " is away");
  }
  if (!reply->ok()) return fail(unexpected(*reply));

  const json::value& description = each->begin()->value();
  Revision revision{text(find(description, "uuid")), {}};
  const json::value* shards = find(description, "shards");
  if (shards == nullptr || !shards->is_object()) return fail(ErrorCode::kUnavailable, "no shard of " + index);
  for (const auto& [number, copies] : shards->get_object()) {
    if (!copies.is_array()) return fail(unexpected(*reply));
    for (const json::value& copy : copies.get_array()) {
      const json::value* primary = find(copy, "routing", "primary");
      if (primary == nullptr || !primary->is_bool() || !primary->get_bool()) continue;
      revision.checkpoints.push_back(integer(find(copy, "seq_no", "global_checkpoint"), -2));
    }
  }
  // A shard without its primary is not there, and -2: it is just starting.
  const bool whole =
      revision.checkpoints.size() == shards->get_object().size() && !revision.checkpoints.empty() &&
      std::find(revision.checkpoints.begin(), revision.checkpoints.end(), -2) == revision.checkpoints.end();
  if (!whole) return fail(ErrorCode::kUnavailable, "a part of the index " + index + " is away");
  return revision;
}

Result<std::vector<Document>> Elasticsearch::changed(const std::string& index, std::int64_t after, std::int64_t until,
                                                     std::size_t limit, Deadline deadline) {
  if (Status refreshed = refresh(index, deadline); !refreshed) return fail(std::move(refreshed).error());
  const json::object range{{"range", {{"_seq_no", {{"gt", after}, {"lte", until}}}}}};
  Result<Reply> reply = call(HttpMethod::kPost, "/" + index + "/_search",
                             json::serialize(json::object{
                                 {"query", range}, {"size", limit}, {"sort", {"_doc"}}, {"seq_no_primary_term", true}}),
                             deadline);
  if (!reply) return fail(std::move(reply).error());
  json::array* hits = hits_of(reply->body);
  if (!reply->ok() || hits == nullptr) return fail(unexpected(*reply));
  if (!is_whole(reply->body)) return fail(ErrorCode::kUnavailable, "a part of the index " + index + " is away");
  std::vector<Document> documents;
  for (json::value& hit : *hits) documents.push_back(document_of(hit));
  return documents;
}

}  // namespace vpn::control::ltse
