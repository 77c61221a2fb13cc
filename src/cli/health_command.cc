#include "cli/health_command.h"

#include <CLI/CLI.hpp>
#include <string>

#include "cli/health_answer.h"
#include "cli/settings.h"

namespace vpn::cli {
namespace {

/// A gateway that takes longer for one step of it is not well.
constexpr std::chrono::seconds kAnswerTime{5};

}  // namespace

int run_health(const Arguments& arguments) {
  std::string socket_path = kDefaultApiSocket;
  CLI::App app("Says whether the gateway on this machine is well: exit code 0 or 1.", "vpn-enabler health");
  app.footer("Example:\n  vpn-enabler health && echo well");
  app.add_option("--api-socket", socket_path, "The gateway's unix socket")
      ->envname("API_SOCKET")
      ->capture_default_str();
  if (const auto exit_code = parse_command_line(app, arguments)) return *exit_code;

  const Result<HealthAnswer> answer = ask_health(socket_path, kAnswerTime);
  if (!answer) return report(answer.error());
  const int printed = print(answer->body + "\n");
  return answer->well ? printed : kFailure;
}

}  // namespace vpn::cli
