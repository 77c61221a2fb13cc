#include "quick/up_command.h"

#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <memory>
#include <string>

#include "cli/engine_arguments.h"
#include "cli/setting_values.h"
#include "quick/up.h"

namespace vpn::quick {
namespace {

void tell(const std::string& sentence) {
  (void)cli::report({ErrorCode::kIo, sentence});
}

/// 2 for what the command line or the file is to blame for.
int report(const Error& error) {
  return cli::report(error, error.code == ErrorCode::kInvalidArgument ? cli::kUsageError : cli::kFailure);
}

void add_config(CLI::App& app, std::string& config) {
  app.add_option("conf", config, "The wg-quick file, or an interface: wg0 is /etc/wireguard/wg0.conf")
      ->required()
      ->type_name("CONF");
}

}  // namespace

int run_up(const cli::Arguments& arguments) {
  std::string config_argument;
  std::string tunnel;
  UpOptions options;
  CLI::App app(
      "Brings up a tunnel from a wg-quick file, as wg-quick does but without a shell: interface, addresses, MTU, DNS "
      "and routes, all or nothing.",
      "vpn-enabler up");
  app.footer("Example:\n  vpn-enabler up ./office.conf\n  vpn-enabler down office");
  add_config(app, config_argument);
  app.add_flag("--ignore-hooks", options.ignore_hooks, "Go on without PreUp, PostUp, PreDown and PostDown");
  app.add_flag("--ignore-dns", options.ignore_dns, "Go on without DNS");
  app.add_option("--tunnel", tunnel,
                 "Who speaks WireGuard: kernel, userspace (our engine), auto: the kernel if it can [auto]")
      ->envname("TUNNEL")
      ->type_name("VALUE");
  if (const auto exit_code = cli::parse_command_line(app, arguments)) return *exit_code;
  const cli::Fault fault = cli::parse_word<cli::TunnelChoice>(tunnel.empty() ? "auto" : tunnel,
                                                              {{"auto", cli::TunnelChoice::kAuto},
                                                               {"kernel", cli::TunnelChoice::kKernel},
                                                               {"userspace", cli::TunnelChoice::kUserspace}},
                                                              options.tunnel);
  if (!fault.empty()) return report({ErrorCode::kInvalidArgument, "TUNNEL " + fault + "; for example userspace"});
  auto engine = cli::engine_environment();
  if (!engine) return report(engine.error());
  options.engine = *std::move(engine);
  const auto config = locate(config_argument);
  if (!config) return report(config.error());
  ::umask(077);
  const char* log_level = std::getenv("LOG_LEVEL");
  const std::unique_ptr<Logger> logger = cli::engine_logger(log_level != nullptr ? log_level : "error");
  const auto summary = up(*config, options, NameService::system(), tell, *logger);
  return summary ? cli::print(*summary + "\n") : report(summary.error());
}

int run_down(const cli::Arguments& arguments) {
  std::string config_argument;
  CLI::App app("Takes down what `vpn-enabler up` made of that file, and nothing else.", "vpn-enabler down");
  app.footer("Example:\n  vpn-enabler down office");
  add_config(app, config_argument);
  if (const auto exit_code = cli::parse_command_line(app, arguments)) return *exit_code;
  const auto config = locate(config_argument);
  if (!config) return report(config.error());
  const Status done = down(config->interface_name, tell);
  return done ? cli::kSuccess : report(done.error());
}

}  // namespace vpn::quick
