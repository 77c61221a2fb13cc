// A QR code for a terminal. Pure.
#pragma once

#include <string>

#include "base/error.h"

namespace vpn::cli {

/// The text as a QR code of the lowest error correction with its quiet zone of four modules (ISO/IEC 18004), two rows
/// of modules to a line of UTF-8 half blocks, white on black by ANSI colours whatever the terminal's are.
/// kInvalidArgument when the text is too long for one (about 2,900 bytes).
Result<std::string> draw_qr_code(const std::string& text);

}  // namespace vpn::cli
