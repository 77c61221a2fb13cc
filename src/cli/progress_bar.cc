#include "cli/progress_bar.h"

#include <unistd.h>

#include <cstdio>
#include <utility>

namespace vpn::cli {
namespace {

constexpr std::size_t kWidth = 40;

// ECMA-48: to the line's begin, and erase it.
constexpr const char* kEraseLine = "\r\x1b[K";

}  // namespace

std::string format_progress(std::string_view what, std::size_t done, std::size_t all) {
  const std::size_t filled = all == 0 ? kWidth : done * kWidth / all;
  return std::string(what) + " [" + std::string(filled, '#') + std::string(kWidth - filled, '.') + "] " +
         std::to_string(done) + " of " + std::to_string(all);
}

ProgressBar::ProgressBar(std::string what) : what_(std::move(what)), is_on_terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() {
  if (is_shown_) std::fputs(kEraseLine, stderr);
}

void ProgressBar::show(std::size_t done, std::size_t all) {
  if (!is_on_terminal_) return;
  is_shown_ = true;
  std::fprintf(stderr, "%s%s", kEraseLine, format_progress(what_, done, all).c_str());
  std::fflush(stderr);
}

}  // namespace vpn::cli
