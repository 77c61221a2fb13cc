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

/// Sets a variable while it lives.
class Variable {
 public:
  Variable(const char* name, const char* value) : name_(name) { ::setenv(name, value, 1); }
  ~Variable() { ::unsetenv(name_); }

 private:
  const char* name_;
};

TEST(EngineEnvironment, HasTheSettingsOfTheGatewaysEngine) {
  EXPECT_EQ(engine_environment()->workers, engine::default_workers());
  EXPECT_EQ(engine_environment()->offloads, engine::io::Offloads());
  const Variable workers("ENGINE_WORKERS", "3"), offloads("ENGINE_OFFLOADS", "no-uso");
  EXPECT_EQ(engine_environment()->workers, 3u);
  EXPECT_EQ(engine_environment()->offloads,
            (engine::io::Offloads{.tso = true, .uso = false, .gso = true, .gro = true}));
}

TEST(EngineEnvironment, RefusesBadValuesNamingTheirFault) {
  const auto refusal = [](const char* name, const char* value) {
    const Variable variable(name, value);
    const auto options = engine_environment();
    EXPECT_FALSE(options);
    EXPECT_EQ(options.error().field, name);
    return options.error().message;
  };
  EXPECT_EQ(refusal("ENGINE_WORKERS", "0"),
            "ENGINE_WORKERS=\"0\" is neither auto nor a number from 1 to 64; for example ENGINE_WORKERS=2");
  EXPECT_EQ(refusal("ENGINE_OFFLOADS", "fast"),
            "ENGINE_OFFLOADS=\"fast\" is not all, none, a list of tso, uso, gso and gro with commas between, or such a "
            "list with no- before each; for example ENGINE_OFFLOADS=no-uso");
}

TEST(EngineLogger, TellsWhatMattersWithoutALevel) {
  EXPECT_EQ(written_at(""), "two three four");
  EXPECT_EQ(written_at("loud"), "two three four");
}

}  // namespace
}  // namespace vpn::cli
