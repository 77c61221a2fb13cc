// What every error for a person promises, whatever the input was.
#pragma once

#include <algorithm>

#include "base/check.h"
#include "base/error.h"

namespace vpn::fuzz {

/// It says something, in one short line, and nothing that a terminal would obey.
inline void check_message(const Error& error) {
  constexpr std::size_t kMaxMessageBytes = 1024;
  const auto obeyed = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  CHECK(!error.message.empty() && error.message.size() <= kMaxMessageBytes);
  CHECK(std::ranges::none_of(error.message, obeyed));
  CHECK(std::ranges::none_of(error.field, obeyed));
}

}  // namespace vpn::fuzz
