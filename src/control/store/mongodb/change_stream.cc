#include "control/store/mongodb/change_stream.h"

namespace vpn::control::mongodb {
namespace {

constexpr std::int64_t kWait_ms = 500;
// The server's error codes for a token that leads nowhere: CappedPositionLost, ChangeStreamFatalError,
// ChangeStreamHistoryLost, and a token that it cannot read (InvalidResumeToken).
constexpr std::uint32_t kTokenLost[] = {136, 260, 280, 286};

/// Of each event only what is looked at.
Document pipeline() {
  Document fields;
  for (const char* field : {"operationType", "documentKey", "fullDocument.clientPublicKey", "fullDocument.writeId",
                            "updateDescription.updatedFields.writeId"}) {
    fields.integer(field, 1);
  }
  Array stages;
  stages.document(Document().document("$project", fields));
  return std::move(Document().array("pipeline", stages.elements()));
}

std::optional<PublicKey> parse_key(const std::optional<bson_iter_t>& field) {
  if (!field || !BSON_ITER_HOLDS_UTF8(&*field)) return std::nullopt;
  return PublicKey::parse(bson_iter_utf8(&*field, nullptr));
}

}  // namespace

void ChangeStream::close() {
  stream_.reset();
  connection_.reset();
}

Status ChangeStream::open() {
  close();
  auto connection = server_.connection();
  if (!connection) return fail(std::move(connection).error());
  connection_ = std::move(*connection);
  const Collection peers = server_.collection(connection_.get(), "peers");
  Document options;
  options.integer("maxAwaitTimeMS", kWait_ms);
  if (token_) options.document("resumeAfter", *token_);
  stream_.reset(mongoc_collection_watch(peers.get(), pipeline().get(), options.get()));
  if (Status failed = check(); !failed) return failed;
  lost_ = lost_ || (begun_ && !token_);
  begun_ = true;
  keep_token();
  return {};
}

/// So that nothing is missed between here and wherever the stream breaks.
void ChangeStream::keep_token() {
  if (const bson_t* token = mongoc_change_stream_get_resume_token(stream_.get())) token_.emplace(*token);
}

Result<Changes> ChangeStream::take() {
  if (!stream_) {
    if (Status opened = open(); !opened) return fail(std::move(opened).error());
  }
  Changes changes;
  const bson_t* event = nullptr;
  // One event, since to ask for another is to wait for it. Whoever is slow to take them finds a batch (Feed).
  const bool lives = !mongoc_change_stream_next(stream_.get(), &event) || read(*event, changes);
  if (Status failed = check(); !failed) return fail(std::move(failed).error());
  if (lives) {
    keep_token();
  } else {
    token_.reset();
    close();
  }
  // Only with the answer, which an error is not.
  if (std::exchange(lost_, false)) changes.everything = true;
  return changes;
}

bool ChangeStream::read(const bson_t& event, Changes& changes) {
  const std::string_view kind = text_of(event, "operationType").value_or("");
  if (kind != "insert" && kind != "update" && kind != "replace" && kind != "delete") {
    // The collection was dropped or renamed: what there is now is another one.
    changes.everything = true;
    return kind != "invalidate";
  }
  for (const char* path : {"fullDocument.writeId", "updateDescription.updatedFields.writeId"}) {
    const auto stamp = find_within(event, path);
    if (stamp && BSON_ITER_HOLDS_OID(&*stamp) && news_.is_own(*bson_iter_oid(&*stamp))) return true;
  }
  const auto id = find_within(event, "documentKey._id");
  auto key = parse_key(find_within(event, "fullDocument.clientPublicKey"));
  if (!key) key = parse_key(id);
  if (!key && id && BSON_ITER_HOLDS_OID(&*id)) key = news_.original_key(*bson_iter_oid(&*id));
  if (key) {
    changes.keys.push_back(*key);
  } else {
    changes.everything = true;
  }
  return true;
}

/// Whether the stream lives. When not, it is opened anew by the next take(), from the token if that still leads
/// somewhere.
Status ChangeStream::check() {
  bson_error_t cause;
  const bson_t* reply = nullptr;
  if (!mongoc_change_stream_error_document(stream_.get(), &cause, &reply)) return {};
  for (const std::uint32_t code : kTokenLost) {
    if (cause.domain == MONGOC_ERROR_SERVER && cause.code == code) token_.reset();
  }
  close();
  return fail(server_.error(cause));
}

}  // namespace vpn::control::mongodb
