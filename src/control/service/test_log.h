// A logger that remembers its lines, for tests. Safe from any thread.
#pragma once

#include <mutex>
#include <string>
#include <vector>

#include "base/log.h"

namespace vpn::control {

class TestLog final : public Logger {
 public:
  void write(LogLevel, std::string_view event, std::initializer_list<LogField> fields) override {
    const std::lock_guard lock(mutex_);
    lines_.push_back(format_log_text(event, fields));
  }
  std::vector<std::string> lines() const {
    const std::lock_guard lock(mutex_);
    return lines_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;  // guarded by mutex_
};

}  // namespace vpn::control
