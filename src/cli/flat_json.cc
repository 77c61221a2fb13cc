#include "cli/flat_json.h"

#include <boost/json/basic_parser_impl.hpp>
#include <cstdint>
#include <utility>

namespace vpn::cli {
namespace {

namespace json = boost::json;

/// Receives Boost.JSON's events. To refuse a second level bounds the depth.
class Handler {
 public:
  static constexpr std::size_t max_object_size = SIZE_MAX;
  static constexpr std::size_t max_array_size = SIZE_MAX;
  static constexpr std::size_t max_key_size = SIZE_MAX;
  static constexpr std::size_t max_string_size = SIZE_MAX;
  using ErrorCode = json::error_code;
  using Text = json::string_view;

  explicit Handler(std::vector<FlatMember>& members) : members_(members) {}

  bool on_document_begin(ErrorCode&) { return true; }
  bool on_document_end(ErrorCode&) { return true; }
  bool on_object_begin(ErrorCode& error) {
    if (inside_) return refuse(error);
    inside_ = true;
    return true;
  }
  bool on_object_end(std::size_t, ErrorCode&) { return true; }
  bool on_array_begin(ErrorCode& error) { return refuse(error); }
  bool on_array_end(std::size_t, ErrorCode&) { return true; }

  bool on_key_part(Text part, std::size_t, ErrorCode&) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_key(Text part, std::size_t, ErrorCode&) {
    text_.append(part.data(), part.size());
    members_.push_back({std::string(text_), {}});
    text_.clear();
    return true;
  }
  bool on_string_part(Text part, std::size_t, ErrorCode& error) {
    if (!inside_) return refuse(error);
    text_.append(part.data(), part.size());
    return true;
  }
  bool on_string(Text part, std::size_t, ErrorCode& error) {
    if (!inside_) return refuse(error);
    text_.append(part.data(), part.size());
    return keep(std::exchange(text_, {}), error);
  }
  bool on_number_part(Text, ErrorCode&) { return true; }
  bool on_int64(std::int64_t number, Text, ErrorCode& error) { return keep(number, error); }
  bool on_uint64(std::uint64_t, Text, ErrorCode& error) { return refuse(error); }
  bool on_double(double, Text, ErrorCode& error) { return refuse(error); }
  bool on_bool(bool value, ErrorCode& error) { return keep(value, error); }
  bool on_null(ErrorCode& error) { return refuse(error); }
  bool on_comment_part(Text, ErrorCode&) { return true; }
  bool on_comment(Text, ErrorCode&) { return true; }

  /// Whether the parsing ended for a value that has no place here.
  bool has_refused() const { return refused_; }

 private:
  bool keep(FlatValue value, ErrorCode& error) {
    if (!inside_) return refuse(error);
    members_.back().value = std::move(value);
    return true;
  }
  bool refuse(ErrorCode& error) {
    refused_ = true;
    error = json::error::syntax;
    return false;
  }

  std::vector<FlatMember>& members_;
  bool inside_ = false;
  bool refused_ = false;
  control::SecretText text_;  // of the name or value under way
};

}  // namespace

Result<std::vector<FlatMember>> parse_flat_json(std::string_view text) {
  std::vector<FlatMember> members;
  json::basic_parser<Handler> parser(json::parse_options{}, members);
  json::error_code error;
  const std::size_t read = parser.write_some(false, text.data(), text.size(), error);
  if (parser.handler().has_refused()) {
    if (members.empty()) return fail(ErrorCode::kInvalidArgument, "is no JSON object");
    return fail(ErrorCode::kInvalidArgument, "holds a value that is neither text, true, false nor a whole number",
                members.back().name);
  }
  if (error || read < text.size())
    return fail(ErrorCode::kInvalidArgument, "is broken at byte " + std::to_string(read));
  return members;
}

}  // namespace vpn::cli
