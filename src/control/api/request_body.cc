#include "control/api/request_body.h"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <cstdint>
#include <span>

#include "base/encoding.h"
#include "base/text.h"

namespace vpn::control {
namespace {

namespace json = boost::json;

struct FieldDescription {
  std::string_view name;
  std::string_view form;  ///< what a right value looks like
};

constexpr std::string_view kKeyForm =
    "44 base64 characters of 32 bytes, for example hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";

constexpr std::array<FieldDescription, kBodyFieldCount> kFields = {{
    {"publicKey", kKeyForm},
    {"presharedKey", kKeyForm},
    {"name", "up to 64 bytes of printable text, for example alice-laptop"},
}};

constexpr std::string_view kBodyExample = R"({"publicKey": "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="})";

const FieldDescription& describe(BodyField field) {
  return kFields[static_cast<std::size_t>(field)];
}

Failure bad_value(BodyField field) {
  const FieldDescription& known = describe(field);
  return fail(ErrorCode::kInvalidArgument, std::string(known.name) + " must be " + std::string(known.form),
              std::string(known.name));
}

Failure bad_json(std::string_view fault) {
  return fail(ErrorCode::kInvalidArgument,
              "the body must be a JSON object: " + std::string(fault) + "; for example " + std::string(kBodyExample));
}

Result<BodyField> find_field(std::string_view name, std::span<const BodyField> allowed) {
  std::string known;
  for (const BodyField field : allowed) {
    if (describe(field).name == name) return field;
    known += (known.empty() ? "" : ", ") + std::string(describe(field).name);
  }
  return fail(ErrorCode::kInvalidArgument, "unknown field \"" + shown(name) + "\"; known here: " + known, shown(name));
}

Failure given_twice(std::string_view name) {
  return fail(ErrorCode::kInvalidArgument, std::string(name) + " is given twice", std::string(name));
}

Status add_field(RequestBody& body, BodyField field, SecretText value) {
  if (!body.add(field, std::move(value))) return given_twice(describe(field).name);
  return {};
}

// Receives Boost.JSON's events. Refusing to go below the first level bounds the depth; refusing unknown and doubled
// names bounds the count.
class FlatObjectHandler {
 public:
  static constexpr std::size_t max_object_size = SIZE_MAX;
  static constexpr std::size_t max_array_size = SIZE_MAX;
  static constexpr std::size_t max_key_size = SIZE_MAX;
  static constexpr std::size_t max_string_size = SIZE_MAX;
  using ErrorCode = json::error_code;
  using Text = json::string_view;

  FlatObjectHandler(RequestBody& body, std::span<const BodyField> allowed, Status& fault)
      : body_(body), allowed_(allowed), fault_(fault) {}

  bool on_document_begin(ErrorCode&) { return true; }
  bool on_document_end(ErrorCode&) { return true; }
  bool on_object_begin(ErrorCode& error) {
    if (inside_) return refuse_value(error);
    inside_ = true;
    return true;
  }
  bool on_object_end(std::size_t, ErrorCode&) { return true; }
  bool on_array_begin(ErrorCode& error) { return refuse_value(error); }
  bool on_array_end(std::size_t, ErrorCode&) { return true; }

  bool on_key_part(Text part, std::size_t, ErrorCode&) { return keep(part); }
  bool on_key(Text part, std::size_t, ErrorCode& error) {
    keep(part);
    const auto field = find_field(text_, allowed_);
    if (!field) return refuse(fail(field.error()), error);
    field_ = *field;
    text_.clear();
    return true;
  }
  bool on_string_part(Text part, std::size_t, ErrorCode& error) { return inside_ ? keep(part) : refuse_value(error); }
  bool on_string(Text part, std::size_t, ErrorCode& error) {
    if (!inside_) return refuse_value(error);
    keep(part);
    const Status added = add_field(body_, field_, text_);
    text_.clear();
    return added || refuse(added, error);
  }

  bool on_number_part(Text, ErrorCode& error) { return refuse_value(error); }
  bool on_int64(std::int64_t, Text, ErrorCode& error) { return refuse_value(error); }
  bool on_uint64(std::uint64_t, Text, ErrorCode& error) { return refuse_value(error); }
  bool on_double(double, Text, ErrorCode& error) { return refuse_value(error); }
  bool on_bool(bool, ErrorCode& error) { return refuse_value(error); }
  bool on_null(ErrorCode& error) { return refuse_value(error); }
  bool on_comment_part(Text, ErrorCode&) { return true; }
  bool on_comment(Text, ErrorCode&) { return true; }

 private:
  bool keep(Text part) {
    text_.append(part.data(), part.size());
    return true;
  }
  bool refuse(Status fault, ErrorCode& error) {
    fault_ = std::move(fault);
    error = json::error::syntax;
    return false;
  }
  bool refuse_value(ErrorCode& error) {
    return refuse(inside_ ? bad_value(field_) : bad_json("it is another kind of value"), error);
  }

  RequestBody& body_;
  std::span<const BodyField> allowed_;
  Status& fault_;
  bool inside_ = false;
  BodyField field_{};
  SecretText text_;  // of the name or value under way
};

Status parse_json(RequestBody& body, std::string_view bytes, std::span<const BodyField> allowed) {
  Status fault;
  json::basic_parser<FlatObjectHandler> parser(json::parse_options{}, body, allowed, fault);
  json::error_code error;
  const std::size_t read = parser.write_some(false, bytes.data(), bytes.size(), error);
  if (!fault) return fault;
  if (error || read < bytes.size()) return bad_json("it is broken at byte " + std::to_string(read));
  return {};
}

// application/x-www-form-urlencoded: '+' is a space, %XX a byte.
std::optional<SecretText> form_decode(std::string_view text) {
  SecretText decoded;
  decoded.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::array<std::uint8_t, 1> byte{};
    if (text[i] == '+') {
      decoded += ' ';
    } else if (text[i] != '%') {
      decoded += text[i];
    } else if (hex_decode(text.substr(i + 1, 2), byte)) {
      decoded += static_cast<char>(byte[0]);
      i += 2;
    } else {
      return std::nullopt;
    }
  }
  if (!is_utf8(decoded)) return std::nullopt;
  return decoded;
}

struct FormPair {
  SecretText name;
  SecretText value;
};

// Takes the next `name=value` off a form; empty pieces between '&' are skipped by the caller.
Result<FormPair> next_pair(std::string_view& form) {
  const std::size_t end = std::min(form.find('&'), form.size());
  const std::string_view pair = form.substr(0, end);
  form.remove_prefix(std::min(end + 1, form.size()));
  const std::size_t equals = std::min(pair.find('='), pair.size());
  auto name = form_decode(pair.substr(0, equals));
  auto value = form_decode(pair.substr(std::min(equals + 1, pair.size())));
  if (!name || !value) {
    return fail(
        ErrorCode::kInvalidArgument,
        "\"" + shown(pair.substr(0, equals)) + "\" is not rightly encoded; in a form + is written %2B, / %2F, = %3D",
        shown(pair.substr(0, equals)));
  }
  return FormPair{std::move(*name), std::move(*value)};
}

Status parse_form(RequestBody& body, std::string_view form, std::span<const BodyField> allowed) {
  while (!form.empty()) {
    auto pair = next_pair(form);
    if (!pair) return fail(pair.error());
    const auto field = find_field(pair->name, allowed);
    if (!field) return fail(field.error());
    if (Status added = add_field(body, *field, std::move(pair->value)); !added) return added;
  }
  return {};
}

}  // namespace

std::optional<MediaType> parse_media_type(std::string_view content_type) {
  std::string text;
  for (const char c : content_type) {
    if (c != ' ' && c != '\t' && c != '"') text += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  const std::size_t end = std::min(text.find(';'), text.size());
  const std::string_view type = std::string_view(text).substr(0, end);
  const std::string_view parameters = std::string_view(text).substr(end);
  if (!parameters.empty() && parameters != ";" && parameters != ";charset=utf-8") return std::nullopt;
  if (type == "application/json") return MediaType::kJson;
  if (type == "application/x-www-form-urlencoded") return MediaType::kForm;
  return std::nullopt;
}

Result<RequestBody> RequestBody::parse(MediaType type, std::string_view bytes,
                                       std::initializer_list<BodyField> allowed) {
  RequestBody body(type);
  const std::span<const BodyField> fields(allowed.begin(), allowed.size());
  const Status parsed = type == MediaType::kJson ? parse_json(body, bytes, fields) : parse_form(body, bytes, fields);
  if (!parsed) return fail(parsed.error());
  return body;
}

bool RequestBody::add(BodyField field, SecretText value) {
  auto& slot = values_[static_cast<std::size_t>(field)];
  if (slot) return false;
  slot = std::move(value);
  return true;
}

// A space in a form's key was a '+' on its way.
Failure RequestBody::bad_key(BodyField field) const {
  Error error = bad_value(field).value();
  if (type_ == MediaType::kForm && at(field)->find(' ') != std::string::npos) {
    error.message += "; in a form + is written %2B (curl: --data-urlencode)";
  }
  return fail(std::move(error));
}

Result<PublicKey> RequestBody::public_key() const {
  const auto& text = at(BodyField::kPublicKey);
  if (!text) {
    return fail(ErrorCode::kInvalidArgument, "The peer's public key is needed: publicKey, " + std::string(kKeyForm),
                "publicKey");
  }
  const auto key = PublicKey::parse(*text);
  if (!key) return bad_key(BodyField::kPublicKey);
  return *key;
}

Result<std::optional<PresharedKey>> RequestBody::preshared_key() const {
  const auto& text = at(BodyField::kPresharedKey);
  if (!text) return std::optional<PresharedKey>();
  auto key = PresharedKey::parse(*text);
  if (!key) return bad_key(BodyField::kPresharedKey);
  if (key->is_zero()) {
    return fail(ErrorCode::kInvalidArgument, "presharedKey is all zeros, which WireGuard takes for none: leave it out",
                "presharedKey");
  }
  return key;
}

}  // namespace vpn::control
