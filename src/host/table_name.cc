#include "host/table_name.h"

#include <cctype>

namespace vpn::host {

std::string table_name(std::string_view prefix, std::string_view interface_name) {
  // nft takes letters, digits and _-./ in a table's name; an interface's name has no '/', which therefore escapes the
  // rest.
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string name(prefix);
  for (const char c : interface_name) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || c == '_' || c == '-' || c == '.') {
      name += c;
    } else {
      name += {'/', kHex[byte >> 4], kHex[byte & 15]};
    }
  }
  return name;
}

}  // namespace vpn::host
