#include "base/encoding.h"

#include <charconv>

#include "base/secret.h"

namespace vpn {
namespace {

// Both directions work by arithmetic alone: a table look-up by key bytes would leak them through the cache.

// -1 when low <= x <= high, else 0.
int in_range(int x, int low, int high) {
  return ((low - 1 - x) & (x - high - 1)) >> 31;
}

// The value 0..63 of a base64 character, -1 for any other.
int base64_value(int c) {
  return -1 + (in_range(c, 'A', 'Z') & (c - 'A' + 1)) + (in_range(c, 'a', 'z') & (c - 'a' + 27)) +
         (in_range(c, '0', '9') & (c - '0' + 53)) + (in_range(c, '+', '+') & 63) + (in_range(c, '/', '/') & 64);
}

char base64_character(unsigned value) {
  const int v = static_cast<int>(value);
  const int c = (in_range(v, 0, 25) & (v + 'A')) + (in_range(v, 26, 51) & (v - 26 + 'a')) +
                (in_range(v, 52, 61) & (v - 52 + '0')) + (in_range(v, 62, 62) & '+') + (in_range(v, 63, 63) & '/');
  return static_cast<char>(c);
}

// The value 0..15 of a hex digit, -1 for any other.
int hex_value(int c) {
  return -1 + (in_range(c, '0', '9') & (c - '0' + 1)) + (in_range(c, 'a', 'f') & (c - 'a' + 11)) +
         (in_range(c, 'A', 'F') & (c - 'A' + 11));
}

}  // namespace

std::string base64_encode(ByteView bytes) {
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    const std::size_t left = bytes.size() - i;
    const unsigned group = (static_cast<unsigned>(bytes[i]) << 16) |
                           (left > 1 ? static_cast<unsigned>(bytes[i + 1]) << 8 : 0u) |
                           (left > 2 ? static_cast<unsigned>(bytes[i + 2]) : 0u);
    text.push_back(base64_character(group >> 18));
    text.push_back(base64_character((group >> 12) & 63));
    text.push_back(left > 1 ? base64_character((group >> 6) & 63) : '=');
    text.push_back(left > 2 ? base64_character(group & 63) : '=');
  }
  return text;
}

bool base64_decode(std::string_view text, MutableBytes out) {
  const std::size_t padding = (3 - out.size() % 3) % 3;
  if (text.size() != (out.size() + 2) / 3 * 4) {
    wipe(out.data(), out.size());
    return false;
  }
  int bad = 0;
  unsigned bits = 0;
  int bit_count = 0;
  std::size_t written = 0;
  for (const char c : text.substr(0, text.size() - padding)) {
    const int value = base64_value(static_cast<unsigned char>(c));
    bad |= value;
    bits = (bits << 6) | (static_cast<unsigned>(value) & 63);
    bit_count += 6;
    if (bit_count >= 8) {
      bit_count -= 8;
      out[written++] = static_cast<std::uint8_t>(bits >> bit_count);
    }
  }
  bool ok = bad >= 0 && (bits & ((1u << bit_count) - 1)) == 0;
  for (const char c : text.substr(text.size() - padding)) ok = ok && c == '=';
  if (!ok) wipe(out.data(), out.size());
  return ok;
}

std::string hex_encode(ByteView bytes) {
  std::string text;
  text.reserve(bytes.size() * 2);
  for (const std::uint8_t byte : bytes) {
    for (const int nibble : {byte >> 4, byte & 15}) {
      text.push_back(static_cast<char>(nibble + '0' + (in_range(nibble, 10, 15) & ('a' - 10 - '0'))));
    }
  }
  return text;
}

bool hex_decode(std::string_view text, MutableBytes out) {
  int bad = text.size() == out.size() * 2 ? 0 : -1;
  for (std::size_t i = 0; bad == 0 && i < out.size(); ++i) {
    const int high = hex_value(static_cast<unsigned char>(text[2 * i]));
    const int low = hex_value(static_cast<unsigned char>(text[2 * i + 1]));
    if ((high | low) < 0) bad = -1;
    out[i] = static_cast<std::uint8_t>((static_cast<unsigned>(high) & 15) << 4 | (static_cast<unsigned>(low) & 15));
  }
  if (bad != 0) wipe(out.data(), out.size());
  return bad == 0;
}

std::optional<std::uint64_t> parse_decimal(std::string_view text, std::uint64_t max) {
  std::uint64_t value = 0;
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (text.empty() || error != std::errc{} || stop != end || value > max) return std::nullopt;
  return value;
}

}  // namespace vpn
