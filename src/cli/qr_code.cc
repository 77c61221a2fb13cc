#include "cli/qr_code.h"

#include <qrcodegen/qrcodegen.hpp>

namespace vpn::cli {
namespace {

constexpr int kQuietZone = 4;
constexpr const char* kWhiteOnBlack = "\x1b[97;40m";
constexpr const char* kPlain = "\x1b[0m";

std::string draw(const qrcodegen::QrCode& code) {
  // Outside of the code every module is light; light is drawn, dark is left black.
  const auto light = [&](int x, int y) { return !code.getModule(x, y); };
  std::string out;
  const int end = code.getSize() + kQuietZone;
  for (int y = -kQuietZone; y < end; y += 2) {
    out += kWhiteOnBlack;
    for (int x = -kQuietZone; x < end; ++x) {
      const bool upper = light(x, y);
      const bool lower = y + 1 < end && light(x, y + 1);
      out += upper && lower ? "█" : upper ? "▀" : lower ? "▄" : " ";
    }
    out += kPlain;
    out += '\n';
  }
  return out;
}

}  // namespace

Result<std::string> draw_qr_code(const std::string& text) {
  try {
    return draw(qrcodegen::QrCode::encodeText(text.c_str(), qrcodegen::QrCode::Ecc::LOW));
  } catch (const qrcodegen::data_too_long&) {
    return fail(ErrorCode::kInvalidArgument, "the configuration is too long for a QR code");
  }
}

}  // namespace vpn::cli
