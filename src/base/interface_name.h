// What the kernel, and everybody's tools, take for the name of a network interface.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace vpn {

constexpr std::size_t kMaxInterfaceNameSize = 15;  ///< IFNAMSIZ counts a zero behind it

/// 1 to 15 characters of letters, digits and _=+.- (wg-quick's rule; the kernel's is wider), and neither "." nor "..".
inline bool is_interface_name(std::string_view name) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("_=+.-").find(c) != std::string_view::npos;
  };
  return !name.empty() && name.size() <= kMaxInterfaceNameSize && name != "." && name != ".." &&
         std::ranges::all_of(name, allowed);
}

}  // namespace vpn
