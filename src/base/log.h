// Structured log lines behind an interface: an event in words, then key=value fields.
//
// Passed in by main.cc (no global logger). The sink that prints, as text or JSON, is cli/log_sink.h. A remote must not
// be able to flood a log: on the packet path nothing logs, it counts.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>

namespace vpn {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// One field of a line. The value is escaped by the sink, so it may hold anything but a secret.
struct LogField {
  std::string_view key;
  std::string value;
};

/// Implementations are safe from any thread.
class Logger {
 public:
  virtual ~Logger() = default;
  virtual void write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) = 0;

  void debug(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::kDebug, event, fields);
  }
  void info(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::kInfo, event, fields);
  }
  /// A warning says what happens next ("retrying in 5 s").
  void warn(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::kWarning, event, fields);
  }
  void error(std::string_view event, std::initializer_list<LogField> fields = {}) {
    write(LogLevel::kError, event, fields);
  }
};

/// A logger that drops every line, for tests and for tools that answer on stderr themselves.
class NullLogger final : public Logger {
 public:
  void write(LogLevel, std::string_view, std::initializer_list<LogField>) override {}
};

/// The line as text: `event key=value other="with space"`. Control characters, quotes and backslashes are escaped, so
/// one call is one line whatever a remote put into a value.
std::string format_log_text(std::string_view event, std::initializer_list<LogField> fields);

}  // namespace vpn
