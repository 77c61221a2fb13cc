#include "cli/doctor_arguments.h"

#include <CLI/CLI.hpp>

namespace vpn::cli {
namespace {

constexpr const char* kFooter =
    "It takes the settings of `vpn-enabler serve` in the same three ways and changes nothing. The exit code is 1 when\n"
    "something is broken. Not as root it says what it could not look at.\n\n"
    "Example:\n"
    "  vpn-enabler doctor --config /etc/vpn-enabler/vpn-enabler.env";

}  // namespace

std::variant<DoctorArguments, int> read_doctor_arguments(const Arguments& arguments) {
  CLI::App app("Says what is wrong with this machine for a gateway, and what cures it.", "vpn-enabler doctor");
  app.footer(kFooter);
  bool json = false;
  app.add_flag("--json", json, "Print JSON");
  SettingsOptions options(app);
  if (const auto exit_code = parse_command_line(app, arguments)) return *exit_code;
  return DoctorArguments{options.read(), json};
}

}  // namespace vpn::cli
