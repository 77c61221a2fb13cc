// How far a long command is, on one line of stderr; nothing where stderr is no terminal.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace vpn::cli {

/// "copying [##########..............................] 2500 of 10000".
std::string format_progress(std::string_view what, std::size_t done, std::size_t all);

/// Shows itself at the first show(), and is gone at its end.
class ProgressBar {
 public:
  explicit ProgressBar(std::string what);
  ~ProgressBar();
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void show(std::size_t done, std::size_t all);

 private:
  const std::string what_;
  const bool is_on_terminal_;
  bool is_shown_ = false;
};

}  // namespace vpn::cli
