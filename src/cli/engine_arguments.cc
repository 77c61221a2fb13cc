#include "cli/engine_arguments.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <optional>

#include "cli/log_sink.h"
#include "cli/setting_values.h"

namespace vpn::cli {

std::unique_ptr<Logger> engine_logger(std::string_view log_level, std::FILE* out) {
  if (log_level == "silent") return std::make_unique<NullLogger>();
  const bool all = log_level == "verbose" || log_level == "debug";
  const LogLevel level = all ? LogLevel::kDebug : log_level == "error" ? LogLevel::kError : LogLevel::kInfo;
  return std::make_unique<LogSink>(level, LogFormat::kText, out);
}

Result<EngineOptions> engine_environment() {
  Status status;
  const auto read = [&status](const char* name, const char* example, const auto& parse) {
    const char* const value = std::getenv(name);
    if (!status || value == nullptr || *value == '\0') return;
    if (const Fault fault = parse(value); !fault.empty()) status = fail(bad_value(name, value, fault, example));
  };
  EngineOptions options;
  std::optional<std::size_t> workers;
  read("ENGINE_WORKERS", "2", [&](std::string_view value) { return parse_workers(value, workers); });
  read("ENGINE_OFFLOADS", "no-uso", [&](std::string_view value) { return parse_offloads(value, options.offloads); });
  if (!status) return fail(status.error());
  options.workers = workers.value_or(options.workers);
  return options;
}

int run_engine_command(const Arguments& arguments) {
  std::string interface_name;
  bool foreground = false;
  CLI::App app(
      "A WireGuard interface in userspace, without a gateway around it: makes a TUN device and listens on its UAPI "
      "socket, as "
      "wireguard-go does.",
      "vpn-enabler engine");
  app.footer(
      "Example:\n"
      "  vpn-enabler engine wg0\n"
      "  WG_QUICK_USERSPACE_IMPLEMENTATION=vpn-engine wg-quick up wg0");
  app.add_option("interface", interface_name, "The interface's name")->required();
  app.add_flag("-f,--foreground", foreground, "Stay in the foreground");
  if (const auto exit_code = parse_command_line(app, arguments)) return *exit_code;
  std::string name;
  if (const Fault fault = parse_interface(interface_name, name); !fault.empty()) {
    return report({ErrorCode::kInvalidArgument, "the interface's name " + fault + "; for example wg0"}, kUsageError);
  }
  auto options = engine_environment();
  if (!options) return report(options.error(), kUsageError);
  const char* log_level = std::getenv("LOG_LEVEL");
  const std::unique_ptr<Logger> logger = engine_logger(log_level != nullptr ? log_level : "");
  options->interface_name = name;
  options->foreground = foreground;
  return run_engine(*options, *logger);
}

}  // namespace vpn::cli
