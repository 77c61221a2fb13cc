#include "cli/engine_arguments.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

namespace vpn::cli {
namespace {

// The events of these four, one of each level, that a logger writes.
std::string written_at(std::string_view log_level) {
  char* memory = nullptr;
  std::size_t size = 0;
  std::FILE* const out = ::open_memstream(&memory, &size);
  {
    const std::unique_ptr<Logger> logger = engine_logger(log_level, out);
    logger->debug("one");
    logger->info("two");
    logger->warn("three");
    logger->error("four");
  }
  std::fclose(out);
  const std::unique_ptr<char, decltype(&std::free)> owner(memory, &std::free);
  const std::string_view text(memory, size);
  std::string events;
  for (const char* event : {"one", "two", "three", "four"}) {
    if (text.find(event) != text.npos) events.append(events.empty() ? "" : " ").append(event);
  }
  return events;
}

TEST(EngineLogger, SaysNothingWhenSilent) {
  EXPECT_EQ(written_at("silent"), "");
}

TEST(EngineLogger, SaysAsMuchAsTheLevel) {
  EXPECT_EQ(written_at("error"), "four");
  EXPECT_EQ(written_at("verbose"), "one two three four");
  EXPECT_EQ(written_at("debug"), "one two three four");
}

TEST(EngineLogger, TellsWhatMattersWithoutALevel) {
  EXPECT_EQ(written_at(""), "two three four");
  EXPECT_EQ(written_at("loud"), "two three four");
}

}  // namespace
}  // namespace vpn::cli
