// The body of a request: a flat JSON object or a form, every value a string, into named fields; a query is read as a
// form. Pure.
//
// Strict: what is not understood is refused, naming the field and showing a right example, so that a mistyped optional
// field is never dropped in silence and nobody slips in a field that only we may set.
#pragma once

#include <array>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/key.h"
#include "control/service/secret_text.h"

namespace vpn::control {

/// Every field that any request has.
enum class BodyField { kPublicKey, kPresharedKey, kName };
inline constexpr std::size_t kBodyFieldCount = 3;

enum class MediaType { kJson, kForm };

/// The media type of a Content-Type header: application/json or application/x-www-form-urlencoded, in UTF-8. Nothing
/// for others.
std::optional<MediaType> parse_media_type(std::string_view content_type);

/// The fields of one body.
class RequestBody {
 public:
  /// kInvalidArgument, with `field` set where one is at fault. Any number of bytes; depth and count of values are
  /// bounded by refusal at the first that has no place.
  static Result<RequestBody> parse(MediaType type, std::string_view bytes, std::initializer_list<BodyField> allowed);

  RequestBody() = default;

  /// kInvalidArgument when it is absent or no key.
  Result<PublicKey> public_key() const;
  /// Nothing when it is absent.
  Result<std::optional<PresharedKey>> preshared_key() const;
  /// Whether it is fit for a name is the service's question.
  std::optional<std::string_view> name() const { return at(BodyField::kName); }

  bool has(BodyField field) const { return at(field).has_value(); }

  /// False when the field has a value already.
  bool add(BodyField field, SecretText value);

 private:
  explicit RequestBody(MediaType type) : type_(type) {}
  Failure bad_key(BodyField field) const;
  const std::optional<SecretText>& at(BodyField field) const { return values_[static_cast<std::size_t>(field)]; }

  MediaType type_ = MediaType::kJson;
  std::array<std::optional<SecretText>, kBodyFieldCount> values_;
};

}  // namespace vpn::control
