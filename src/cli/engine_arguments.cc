#include "cli/engine_arguments.h"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <optional>

#include "cli/engine_command.h"
#include "cli/log_sink.h"
#include "cli/setting_values.h"

namespace vpn::cli {

std::unique_ptr<Logger> engine_logger(std::string_view log_level, std::FILE* out) {
  if (log_level == "silent") return std::make_unique<NullLogger>();
  const bool all = log_level == "verbose" || log_level == "debug";
  const LogLevel level = all ? LogLevel::kDebug : log_level == "error" ? LogLevel::kError : LogLevel::kInfo;
  return std::make_unique<LogSink>(level, LogFormat::kText, out);
}

int run_engine_command(const Arguments& arguments) {
  EngineOptions options;
  CLI::App app(
      "A WireGuard interface in userspace, without a gateway around it: makes a TUN device and listens on its UAPI "
      "socket, as "
      "wireguard-go does.",
      "vpn-enabler engine");
  app.footer(
      "Example:\n"
      "  vpn-enabler engine wg0\n"
      "  WG_QUICK_USERSPACE_IMPLEMENTATION=vpn-engine wg-quick up wg0");
  app.add_option("interface", options.interface_name, "The interface's name")->required();
  app.add_flag("-f,--foreground", options.foreground, "Stay in the foreground");
  if (const auto exit_code = parse_command_line(app, arguments)) return *exit_code;
  std::string name;
  if (const Fault fault = parse_interface(options.interface_name, name); !fault.empty()) {
    return report({ErrorCode::kInvalidArgument, "the interface's name " + fault + "; for example wg0"}, kUsageError);
  }
  if (const char* workers = std::getenv("ENGINE_WORKERS"); workers != nullptr && *workers != '\0') {
    std::optional<std::size_t> count;
    if (const Fault fault = parse_workers(workers, count); !fault.empty()) {
      return report({ErrorCode::kInvalidArgument, "ENGINE_WORKERS " + fault + "; for example 2"}, kUsageError);
    }
    if (count) options.workers = *count;
  }
  const char* log_level = std::getenv("LOG_LEVEL");
  const std::unique_ptr<Logger> logger = engine_logger(log_level != nullptr ? log_level : "");
  return run_engine(options, *logger);
}

}  // namespace vpn::cli
