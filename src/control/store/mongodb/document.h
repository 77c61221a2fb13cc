// BSON in C++ words: a document that owns its memory and is built field by field, and one that is looked into.
//
// Values; one thread each. Text that is no UTF-8 never gets this far: keys and addresses are ASCII, names were checked.
#pragma once

#include <bson/bson.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace vpn::control::mongodb {

class Document {
 public:
  Document() : content_(std::make_unique<Content>()) {}
  explicit Document(const bson_t& from) : Document() { bson_copy_to(&from, out()); }

  const bson_t* get() const { return &content_->bson; }
  /// For a function of the library that fills it; it must be empty.
  bson_t* out() {
    bson_destroy(&content_->bson);
    return &content_->bson;
  }

  Document& text(std::string_view key, std::string_view value);
  Document& flag(std::string_view key, bool value);
  Document& number(std::string_view key, double value);
  Document& integer(std::string_view key, std::int64_t value);
  /// For options of the library that must be 32 bits wide.
  Document& int32(std::string_view key, std::int32_t value);
  Document& id(std::string_view key, const bson_oid_t& value);
  Document& null(std::string_view key);
  Document& document(std::string_view key, const Document& value);
  Document& array(std::string_view key, const Document& elements);
  /// A field as it stands in another document.
  Document& copy(std::string_view key, const bson_iter_t& field);

 private:
  struct Content {
    Content() { bson_init(&bson); }
    Content(const Content&) = delete;
    Content& operator=(const Content&) = delete;
    ~Content() { bson_destroy(&bson); }
    bson_t bson;
  };
  std::unique_ptr<Content> content_;  // on the heap: a bson_t may point into itself
};

/// An array's elements: documents whose keys are "0", "1", ...
class Array {
 public:
  Array& text(std::string_view value) { return next(&Document::text, value); }
  Array& number(double value) { return next(&Document::number, value); }
  Array& document(const Document& value) { return next(&Document::document, value); }
  bool empty() const { return count_ == 0; }
  const Document& elements() const { return elements_; }

 private:
  template <typename Append, typename Value>
  Array& next(Append append, const Value& value) {
    (elements_.*append)(std::to_string(count_++), value);
    return *this;
  }
  Document elements_;
  std::size_t count_ = 0;
};

/// The field of that name; nullopt when there is none.
std::optional<bson_iter_t> find(const bson_t& document, const char* key);
/// The field at the end of a path with dots; nullopt when there is none.
std::optional<bson_iter_t> find_within(const bson_t& document, const char* path);
/// Its text; nullopt when there is none or it is no string.
std::optional<std::string_view> text_of(const bson_t& document, const char* key);
/// Any number, as an integer; 0 when there is none.
std::int64_t integer_of(const bson_t& document, const char* key);

}  // namespace vpn::control::mongodb
