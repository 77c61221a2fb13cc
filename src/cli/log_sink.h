// The log on stderr: the one place that names spdlog. Safe from any thread.
#pragma once

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "base/log.h"

namespace vpn::cli {

enum class LogFormat { kText, kJson };

/// Writes lines at or above a level, UTC, milliseconds:
///   text  2026-01-31T09:00:00.123Z info client added name=alice
///   json  {"time":"2026-01-31T09:00:00.123Z","level":"info","event":"client added","name":"alice"}
class LogSink final : public Logger {
 public:
  /// `out` stays the caller's and outlives the sink.
  LogSink(LogLevel level, LogFormat format, std::FILE* out = stderr);
  ~LogSink() override;

  void write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) override;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
  LogFormat format_;
};

/// The members of the JSON line without its braces: "event":"...","key":"value". Any bytes make valid JSON: what is
/// not UTF-8 becomes U+FFFD.
std::string format_log_json(std::string_view event, std::initializer_list<LogField> fields);

}  // namespace vpn::cli
