#include "cli/qr_code.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>
#include <string>
#include <vector>

namespace vpn::cli {
namespace {

/// The modules of a drawing, true for dark, two rows per line of text.
std::vector<std::vector<bool>> modules_of(const std::string& drawing) {
  std::vector<std::vector<bool>> modules;
  std::istringstream lines(drawing);
  for (std::string line; std::getline(lines, line);) {
    const std::string start = "\x1b[97;40m";
    const std::string end = "\x1b[0m";
    EXPECT_TRUE(line.starts_with(start) && line.ends_with(end)) << "colours are set per line";
    line = line.substr(start.size(), line.size() - start.size() - end.size());
    std::vector<bool> upper;
    std::vector<bool> lower;
    for (std::size_t i = 0; i < line.size();) {
      const bool blank = line[i] == ' ';
      const std::string block = blank ? " " : line.substr(i, 3);
      upper.push_back(blank || block == "▄");
      lower.push_back(blank || block == "▀");
      i += blank ? 1 : 3;
    }
    modules.push_back(upper);
    modules.push_back(lower);
  }
  return modules;
}

TEST(QrCode, HasAQuietZoneAndThreeFinders) {
  const Result<std::string> drawing = draw_qr_code("[Interface]\nPrivateKey = ...\n");
  ASSERT_TRUE(drawing);
  const auto modules = modules_of(*drawing);
  const std::size_t width = modules.front().size();
  ASSERT_GE(modules.size(), width);
  for (std::size_t i = 0; i < width; ++i) {
    for (std::size_t edge = 0; edge < 4; ++edge) {
      EXPECT_FALSE(modules[edge][i]);
      EXPECT_FALSE(modules[width - 1 - edge][i]);
      EXPECT_FALSE(modules[i][edge]);
      EXPECT_FALSE(modules[i][width - 1 - edge]);
    }
  }
  // A finder is 7 modules wide: a dark ring, a light ring, and a dark square of 3.
  const auto finder_at = [&](std::size_t x, std::size_t y) {
    for (std::size_t dy = 0; dy < 7; ++dy) {
      for (std::size_t dx = 0; dx < 7; ++dx) {
        const std::size_t ring = std::min({dx, dy, 6 - dx, 6 - dy});
        if (modules[y + dy][x + dx] != (ring != 1)) return false;
      }
    }
    return true;
  };
  EXPECT_TRUE(finder_at(4, 4));
  EXPECT_TRUE(finder_at(width - 11, 4));
  EXPECT_TRUE(finder_at(4, width - 11));
}

TEST(QrCode, RefusesATextThatFitsNone) {
  const Result<std::string> drawing = draw_qr_code(std::string(4000, 'a'));
  ASSERT_FALSE(drawing);
  EXPECT_EQ(drawing.error().code, ErrorCode::kInvalidArgument);
}

}  // namespace
}  // namespace vpn::cli
