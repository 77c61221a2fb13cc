#include "control/model/client_name.h"

#include <cstdint>
#include <optional>
#include <string>

#include "base/key.h"

namespace vpn::control {
namespace {

/// Takes the next code point off the text; nullopt when its bytes are not UTF-8 (RFC 3629 section 4: overlong forms,
/// surrogates and values above U+10FFFF are not).
std::optional<std::uint32_t> take_code_point(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(text[i])); };
  const std::uint32_t first = byte(0);
  const std::size_t size = first < 0x80   ? 1
                           : first < 0xc2 ? 0
                           : first < 0xe0 ? 2
                           : first < 0xf0 ? 3
                           : first < 0xf5 ? 4
                                          : 0;
  if (size == 0 || size > text.size()) return std::nullopt;
  std::uint32_t code_point = size == 1 ? first : first & (0x7fu >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return std::nullopt;
    code_point = (code_point << 6) | (byte(i) & 0x3f);
  }
  const bool overlong = (size == 3 && code_point < 0x800) || (size == 4 && code_point < 0x10000);
  const bool surrogate = code_point >= 0xd800 && code_point <= 0xdfff;
  if (overlong || surrogate || code_point > 0x10ffff) return std::nullopt;
  text.remove_prefix(size);
  return code_point;
}

/// Characters by which one name could pass for another: they show nothing of themselves (controls, soft hyphen, zero
/// width, line and paragraph separators), or turn the direction of the text around them.
bool is_unprintable(std::uint32_t code_point) {
  const auto is_in = [code_point](std::uint32_t first, std::uint32_t last) {
    return code_point >= first && code_point <= last;
  };
  return code_point < 0x20 || is_in(0x7f, 0x9f) || code_point == 0xad || code_point == 0x61c || is_in(0x200b, 0x200f) ||
         is_in(0x2028, 0x202e) || is_in(0x2060, 0x206f) || code_point == 0xfeff || (code_point & 0xfffe) == 0xfffe;
}

}  // namespace

Status check_client_name(std::string_view name) {
  const auto refuse = [](std::string fault) {
    return fail(ErrorCode::kInvalidArgument, "The client's name " + fault, "name");
  };
  if (name.empty()) return {};
  if (name.size() > kMaxClientNameSize)
    return refuse("is longer than " + std::to_string(kMaxClientNameSize) + " bytes");
  if (name.front() == ' ' || name.back() == ' ') return refuse("begins or ends with a space");
  if (PublicKey::parse(name)) return refuse("reads as a public key");
  while (!name.empty()) {
    const auto code_point = take_code_point(name);
    if (!code_point) return refuse("is not UTF-8");
    if (is_unprintable(*code_point)) return refuse("holds a character that cannot be printed");
  }
  return {};
}

}  // namespace vpn::control
