#include "control/store/mongodb/server.h"

#include "base/check.h"
#include "base/encoding.h"

namespace vpn::control::mongodb {
namespace {

// The server's error codes (src/mongo/base/error_codes.yml).
constexpr std::uint32_t kUnauthorized = 13, kAuthenticationFailed = 18, kAtlasError = 8000;
constexpr std::int64_t kDuplicateKey = 11000;

struct BulkDeleter {
  void operator()(mongoc_bulk_operation_t* bulk) const { mongoc_bulk_operation_destroy(bulk); }
};

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// Whether a certificate or a TLS option is at fault. Any other end of a handshake may be a server's or a network's
/// that is away.
bool is_bad_tls(std::string_view words) {
  return contains(words, "TLS") && (contains(words, "ertificate") || contains(words, "unknown ca") ||
                                    contains(words, "Failed initialize TLS state"));
}

bool append(mongoc_bulk_operation_t* bulk, const Write& write, bson_error_t* error) {
  static constexpr auto kPlain = nullptr;
  switch (write.kind) {
    case Write::Kind::kInsert:
      return mongoc_bulk_operation_insert_with_opts(bulk, write.value.get(), kPlain, error);
    case Write::Kind::kUpdate:
      return mongoc_bulk_operation_update_one_with_opts(bulk, write.filter.get(), write.value.get(), kPlain, error);
    case Write::Kind::kUpsert: {
      const Document upsert = Document(*Document().flag("upsert", true).get());
      return mongoc_bulk_operation_update_one_with_opts(bulk, write.filter.get(), write.value.get(), upsert.get(),
                                                        error);
    }
    case Write::Kind::kReplace:
      return mongoc_bulk_operation_replace_one_with_opts(bulk, write.filter.get(), write.value.get(), kPlain, error);
    case Write::Kind::kRemove:
      break;
  }
  return mongoc_bulk_operation_remove_one_with_opts(bulk, write.filter.get(), kPlain, error);
}

/// Whether every write of the reply was done, or refused by a unique index.
bool only_duplicates(const bson_t& reply) {
  bson_iter_t each;
  const auto concerns = find(reply, "writeConcernErrors");
  if (concerns && bson_iter_recurse(&*concerns, &each) && bson_iter_next(&each)) return false;
  const auto refusals = find(reply, "writeErrors");
  if (!refusals || !bson_iter_recurse(&*refusals, &each) || !bson_iter_next(&each)) return false;
  do {
    std::uint32_t size = 0;
    const std::uint8_t* bytes = nullptr;
    bson_iter_document(&each, &size, &bytes);
    bson_t refusal;
    if (!bson_init_static(&refusal, bytes, size) || integer_of(refusal, "code") != kDuplicateKey) return false;
  } while (bson_iter_next(&each));
  return true;
}

}  // namespace

Server::Server(Uri uri, const MongoOptions& options)
    : uri_(std::move(uri)),
      database_(options.database),
      user_(mongoc_uri_get_username(uri_.get()) ? mongoc_uri_get_username(uri_.get()) : ""),
      role_(options.access == Access::kRead ? "read" : "readWrite"),
      description_(describe(*uri_, options)) {}

Result<Connection> Server::connection() {
  const std::lock_guard lock(mutex_);
  if (!pool_) {
    // Only here, because a mongodb+srv:// address asks the name service.
    bson_error_t cause;
    pool_.reset(mongoc_client_pool_new_with_error(uri_.get(), &cause));
    if (!pool_) return fail(ErrorCode::kUnavailable, "cannot find " + description_ + ": " + cause.message);
    CHECK(mongoc_client_pool_set_error_api(pool_.get(), MONGOC_ERROR_API_VERSION_2));
  }
  return Connection(mongoc_client_pool_pop(pool_.get()), Lease{pool_.get()});
}

void Server::disconnect() {
  const std::lock_guard lock(mutex_);
  pool_.reset();
}

Collection Server::collection(mongoc_client_t* client, const char* name) const {
  return Collection(mongoc_client_get_collection(client, database_.c_str(), name));
}

std::optional<Deployment> Server::deployment() {
  const auto borrowed = connection();
  if (!borrowed) return std::nullopt;
  std::size_t count = 0;
  mongoc_server_description_t** all = mongoc_client_get_server_descriptions(borrowed->get(), &count);
  std::optional<Deployment> found;
  for (std::size_t i = 0; i < count && !found; ++i) {
    const std::string_view type = mongoc_server_description_type(all[i]);
    if (type == "Unknown" || type == "PossiblePrimary") continue;
    found.emplace().has_change_streams = type != "Standalone";
    if (found->has_change_streams) continue;
    const auto id = find_within(*mongoc_server_description_hello_response(all[i]), "topologyVersion.processId");
    if (id && BSON_ITER_HOLDS_OID(&*id)) found->process = hex_encode({bson_iter_oid(&*id)->bytes, 12});
  }
  mongoc_server_descriptions_destroy_all(all, count);
  return found;
}

Result<Document> Server::command(const Document& command) {
  auto borrowed = connection();
  if (!borrowed) return fail(std::move(borrowed).error());
  Document reply;
  bson_error_t cause;
  const bool done = mongoc_client_read_command_with_opts(borrowed->get(), database_.c_str(), command.get(), nullptr,
                                                         nullptr, reply.out(), &cause);
  if (!done) return fail(error(cause));
  return reply;
}

Result<Document> Server::write_command(const Document& command, std::uint32_t harmless_code) {
  auto borrowed = connection();
  if (!borrowed) return fail(std::move(borrowed).error());
  Document reply;
  bson_error_t cause{};
  const bool done = mongoc_client_write_command_with_opts(borrowed->get(), database_.c_str(), command.get(), nullptr,
                                                          reply.out(), &cause);
  const bool harmless = cause.domain == MONGOC_ERROR_SERVER && cause.code == harmless_code;
  if (!done && !harmless) return fail(error(cause));
  return reply;
}

Result<Cursor> Server::open(const char* name, const Document& filter, Document options) {
  auto borrowed = connection();
  if (!borrowed) return fail(std::move(borrowed).error());
  options.document("readConcern", Document().text("level", "majority"));
  const Collection from = collection(borrowed->get(), name);
  Cursor found{std::move(*borrowed), nullptr};
  found.cursor.reset(mongoc_collection_find_with_opts(from.get(), filter.get(), options.get(), nullptr));
  return found;
}

Status Server::ended(const Cursor& found) const {
  bson_error_t cause;
  if (mongoc_cursor_error(found.cursor.get(), &cause)) return fail(error(cause));
  return {};
}

Result<Hits> Server::write(const char* name, const std::vector<Write>& writes, bool soon) {
  if (writes.empty()) return Hits{0};
  auto borrowed = connection();
  if (!borrowed) return fail(std::move(borrowed).error());
  const Collection to = collection(borrowed->get(), name);
  Document options;
  options.flag("ordered", false);
  if (soon) options.document("writeConcern", Document().int32("w", 1));
  const std::unique_ptr<mongoc_bulk_operation_t, BulkDeleter> bulk(
      mongoc_collection_create_bulk_operation_with_opts(to.get(), options.get()));
  bson_error_t cause{};
  for (const Write& write : writes) {
    if (!append(bulk.get(), write, &cause)) return fail(error(cause));
  }
  Document reply;
  const bool done = mongoc_bulk_operation_execute(bulk.get(), reply.out(), &cause) != 0;
  if (!done && !only_duplicates(*reply.get())) return fail(error(cause));
  std::int64_t hits = 0;
  for (const char* count : {"nInserted", "nMatched", "nRemoved", "nUpserted"}) hits += integer_of(*reply.get(), count);
  return static_cast<Hits>(hits);
}

Error Server::error(const bson_error_t& cause) const {
  const std::string_view words = cause.message;
  const bool from_server = cause.domain == MONGOC_ERROR_SERVER;
  // The library's own code for a failed authentication says no more than that: the connection may have been lost.
  const bool authentication =
      cause.domain == MONGOC_ERROR_SCRAM || (from_server && cause.code == kAuthenticationFailed) ||
      contains(words, "Authentication failed.") ||
      (from_server && cause.code == kUnauthorized && contains(words, "requires authentication"));
  if (authentication) {
    return {ErrorCode::kPermissionDenied,
            user_.empty() ? description_ + " asks for a password: set MONGODB_USER and MONGODB_PASS"
                          : description_ + " refuses the user \"" + user_ + "\": check MONGODB_USER and MONGODB_PASS",
            "MONGODB_USER"};
  }
  if (from_server && (cause.code == kUnauthorized || cause.code == kAtlasError)) {
    return {ErrorCode::kPermissionDenied,
            description_ + ": the user \"" + user_ + "\" of MONGODB_USER needs the role " + role_ +
                " on the database \"" + database_ + "\"",
            "MONGODB_USER"};
  }
  if (is_bad_tls(words)) {
    return {ErrorCode::kPermissionDenied,
            "no TLS with " + description_ + ": check the TLS options of MONGODB_HOST (tls, tlsCAFile, " +
                "tlsCertificateKeyFile): " + std::string(words),
            "MONGODB_HOST"};
  }
  if (cause.code == MONGOC_ERROR_PROTOCOL_BAD_WIRE_VERSION && cause.domain == MONGOC_ERROR_PROTOCOL) {
    return {ErrorCode::kUnsupported, description_ + " is too old or too new for this program: " + std::string(words),
            "MONGODB_HOST"};
  }
  return {ErrorCode::kUnavailable, description_ + ": " + std::string(words)};
}

}  // namespace vpn::control::mongodb
