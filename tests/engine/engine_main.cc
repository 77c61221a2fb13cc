// The `engine` command alone, as the namespace tests of this folder run it: engine_for_test IFACE [-f].
#include <cstdio>
#include <string_view>

#include "cli/engine_command.h"

namespace {

class StderrLogger final : public vpn::Logger {
 public:
  void write(vpn::LogLevel, std::string_view event, std::initializer_list<vpn::LogField> fields) override {
    std::fprintf(stderr, "%s\n", vpn::format_log_text(event, fields).c_str());
  }
};

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  StderrLogger logger;
  return vpn::cli::run_engine({argv[1], argc > 2 && std::string_view(argv[2]) == "-f"}, logger);
}
