#include "control/store/mongodb/document.h"
#include "base/check.h"

namespace vpn::control::mongodb {
namespace {

int length(std::string_view text) {
  return static_cast<int>(text.size());
}

}  // namespace

// A field is refused only when the document would exceed 2 GB, which nothing that we store can do.
Document& Document::text(std::string_view key, std::string_view value) {
  CHECK(bson_append_utf8(&content_->bson, key.data(), length(key), value.data(), length(value)));
  return *this;
}

Document& Document::flag(std::string_view key, bool value) {
  CHECK(bson_append_bool(&content_->bson, key.data(), length(key), value));
  return *this;
}

Document& Document::number(std::string_view key, double value) {
  CHECK(bson_append_double(&content_->bson, key.data(), length(key), value));
  return *this;
}

Document& Document::integer(std::string_view key, std::int64_t value) {
  CHECK(bson_append_int64(&content_->bson, key.data(), length(key), value));
  return *this;
}

Document& Document::int32(std::string_view key, std::int32_t value) {
  CHECK(bson_append_int32(&content_->bson, key.data(), length(key), value));
  return *this;
}

Document& Document::id(std::string_view key, const bson_oid_t& value) {
  CHECK(bson_append_oid(&content_->bson, key.data(), length(key), &value));
  return *this;
}

Document& Document::null(std::string_view key) {
  CHECK(bson_append_null(&content_->bson, key.data(), length(key)));
  return *this;
}

Document& Document::document(std::string_view key, const Document& value) {
  CHECK(bson_append_document(&content_->bson, key.data(), length(key), value.get()));
  return *this;
}

Document& Document::array(std::string_view key, const Document& elements) {
  CHECK(bson_append_array(&content_->bson, key.data(), length(key), elements.get()));
  return *this;
}

Document& Document::copy(std::string_view key, const bson_iter_t& field) {
  CHECK(bson_append_iter(&content_->bson, key.data(), length(key), &field));
  return *this;
}

std::optional<bson_iter_t> find(const bson_t& document, const char* key) {
  bson_iter_t iterator;
  if (!bson_iter_init_find(&iterator, &document, key)) return std::nullopt;
  return iterator;
}

std::optional<bson_iter_t> find_within(const bson_t& document, const char* path) {
  bson_iter_t start, found;
  if (!bson_iter_init(&start, &document) || !bson_iter_find_descendant(&start, path, &found)) return std::nullopt;
  return found;
}

std::optional<std::string_view> text_of(const bson_t& document, const char* key) {
  const auto field = find(document, key);
  if (!field || !BSON_ITER_HOLDS_UTF8(&*field)) return std::nullopt;
  std::uint32_t size = 0;
  const char* text = bson_iter_utf8(&*field, &size);
  return std::string_view(text, size);
}

std::int64_t integer_of(const bson_t& document, const char* key) {
  const auto field = find(document, key);
  return field ? bson_iter_as_int64(&*field) : 0;
}

}  // namespace vpn::control::mongodb
