#include "cli/log_sink.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace vpn::cli {
namespace {

using testing::MatchesRegex;

/// What a sink writes for one call of `log`.
template <typename Log>
std::string written(LogLevel level, LogFormat format, Log log) {
  char* memory = nullptr;
  std::size_t size = 0;
  std::FILE* const out = ::open_memstream(&memory, &size);
  {
    LogSink sink(level, format, out);
    log(sink);
  }
  std::fclose(out);
  const std::unique_ptr<char, decltype(&std::free)> owner(memory, &std::free);
  return {memory, size};
}

constexpr const char* kTime = "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z";

TEST(LogSink, WritesTextWithTimeAndLevel) {
  EXPECT_THAT(
      written(LogLevel::kInfo, LogFormat::kText, [](Logger& log) { log.warn("store away", {{"retry", "5 s"}}); }),
      MatchesRegex(std::string(kTime) + " warning store away retry=\"5 s\"\n"));
}

TEST(LogSink, WritesJsonWithTimeAndLevel) {
  EXPECT_THAT(written(LogLevel::kInfo, LogFormat::kJson, [](Logger& log) { log.info("added", {{"name", "al{}ice"}}); }),
              MatchesRegex("\\{\"time\":\"" + std::string(kTime) +
                           "\",\"level\":\"info\",\"event\":\"added\",\"name\":\"al\\{\\}ice\"\\}\n"));
}

TEST(LogSink, DropsWhatIsBelowItsLevel) {
  EXPECT_EQ(written(LogLevel::kWarning, LogFormat::kText,
                    [](Logger& log) {
                      log.debug("a");
                      log.info("b");
                    }),
            "");
  EXPECT_NE(written(LogLevel::kDebug, LogFormat::kText, [](Logger& log) { log.debug("a"); }), "");
}

TEST(LogJson, EscapesWhatJsonMustNotHoldBare) {
  EXPECT_EQ(format_log_json("e", {{"k", "a\"b\\c\nd\x01\x7f"}}), R"("event":"e","k":"a\"b\\c\u000ad\u0001\u007f")");
}

TEST(LogJson, KeepsUtf8AndReplacesEverythingElse) {
  EXPECT_EQ(format_log_json("é€😀", {}), "\"event\":\"é€😀\"");
  // A lone continuation, an overlong slash, a surrogate, above U+10FFFF, and a character cut short.
  EXPECT_EQ(format_log_json("\x80", {}), R"("event":"\ufffd")");
  EXPECT_EQ(format_log_json("\xc0\xaf", {}), R"("event":"\ufffd\ufffd")");
  EXPECT_EQ(format_log_json("\xed\xa0\x80", {}), R"("event":"\ufffd\ufffd\ufffd")");
  EXPECT_EQ(format_log_json("\xf4\x90\x80\x80", {}), R"("event":"\ufffd\ufffd\ufffd\ufffd")");
  EXPECT_EQ(format_log_json("a\xe2\x82", {}), R"("event":"a\ufffd\ufffd")");
}

}  // namespace
}  // namespace vpn::cli
