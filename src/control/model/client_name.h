// What a client may be called. Pure.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/error.h"

namespace vpn::control {

/// In bytes of UTF-8.
constexpr std::size_t kMaxClientNameSize = 64;

/// Success for a name of printable UTF-8, up to kMaxClientNameSize, and for none. kInvalidArgument, field "name", for
/// control characters, characters that show nothing or turn the text's direction, broken UTF-8, a space at either end,
/// and for what reads as a public key, since a client may be asked for by either.
Status check_client_name(std::string_view name);

}  // namespace vpn::control
