// Base64 (RFC 4648 section 4) and lowercase hex, strict: what decodes encodes back to the same text.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"

namespace vpn {

std::string base64_encode(ByteView bytes);

/// Decodes exactly out.size() bytes. False, and `out` zeroed, when the text has another length, a character outside the
/// alphabet, missing padding, or non-zero bits behind the last byte (a second spelling of the same bytes).
/// Constant in time for texts of the right length, so that a key may pass through it.
[[nodiscard]] bool base64_decode(std::string_view text, MutableBytes out);

std::string hex_encode(ByteView bytes);

/// Decodes exactly 2 * out.size() hex digits of either case. False, and `out` zeroed, otherwise.
[[nodiscard]] bool hex_decode(std::string_view text, MutableBytes out);

/// A whole decimal number in [0, max]: digits alone, no sign, no space. Leading zeros are accepted.
std::optional<std::uint64_t> parse_decimal(std::string_view text, std::uint64_t max);

}  // namespace vpn
