// Text that comes from outside, and how it is shown: in JSON, and in messages to people.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace vpn {

/// The length of the UTF-8 character at the start of `text`, 1 to 4; 0 when there is none (RFC 3629 section 4: no
/// overlong form, no surrogate, nothing above U+10FFFF).
std::size_t utf8_length(std::string_view text);
/// Whether all of it is well-formed.
bool is_utf8(std::string_view text);

/// Appends `text` as a JSON string with its quotes (RFC 8259 section 7). UTF-8 stays as it is; a byte that belongs to
/// no character becomes U+FFFD. `Text` is std::string or one that is wiped.
template <typename Text>
void append_json_string(Text& out, std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  out += '"';
  while (!text.empty()) {
    const auto byte = static_cast<std::uint8_t>(text.front());
    const std::size_t length = utf8_length(text);
    if (length == 0) {
      out += "\\ufffd";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      if (byte == '"' || byte == '\\') out += '\\';
      out.append(text.substr(0, length));
    }
    text.remove_prefix(length == 0 ? 1 : length);
  }
  out += '"';
}

/// Its first `max_bytes`, for a message of one line: printable ASCII and spaces, '?' for all else, "..." for the rest.
std::string shown(std::string_view text, std::size_t max_bytes = 32);

/// All of it, for a message of one line: '?' for each control character (C0, DEL and C1, which a terminal obeys) and
/// for each byte that belongs to no character.
std::string printable(std::string_view text);

/// What stands between the commas, one item more than there are commas. The items are parts of `text`.
std::vector<std::string_view> split_at_commas(std::string_view text);

}  // namespace vpn
