#include "cli/log_sink.h"

#include <spdlog/logger.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_sinks.h>

#include "base/text.h"

namespace vpn::cli {
namespace {

using FileSink = spdlog::sinks::stdout_sink_base<spdlog::details::console_mutex>;

spdlog::level::level_enum spdlog_level(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%eZ %l %v";
constexpr const char* kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l",%v})";

}  // namespace

std::string format_log_json(std::string_view event, std::initializer_list<LogField> fields) {
  std::string line = "\"event\":";
  append_json_string(line, event);
  for (const LogField& field : fields) {
    line.push_back(',');
    append_json_string(line, field.key);
    line.push_back(':');
    append_json_string(line, field.value);
  }
  return line;
}

class LogSink::Impl {
 public:
  Impl(LogLevel level, LogFormat format, std::FILE* out) : logger_("vpn-enabler", std::make_shared<FileSink>(out)) {
    logger_.set_formatter(std::make_unique<spdlog::pattern_formatter>(
        format == LogFormat::kJson ? kJsonPattern : kTextPattern, spdlog::pattern_time_type::utc, "\n"));
    logger_.set_level(spdlog_level(level));
  }

  spdlog::logger logger_;
};

LogSink::LogSink(LogLevel level, LogFormat format, std::FILE* out)
    : impl_(std::make_unique<Impl>(level, format, out)), format_(format) {}

LogSink::~LogSink() = default;

void LogSink::write(LogLevel level, std::string_view event, std::initializer_list<LogField> fields) {
  const spdlog::level::level_enum spdlog_severity = spdlog_level(level);
  if (!impl_->logger_.should_log(spdlog_severity)) return;
  const std::string line =
      format_ == LogFormat::kJson ? format_log_json(event, fields) : format_log_text(event, fields);
  impl_->logger_.log(spdlog_severity, spdlog::string_view_t(line));
}

}  // namespace vpn::cli
