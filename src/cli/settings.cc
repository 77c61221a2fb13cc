#include "cli/settings.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <iterator>
#include <span>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include "base/secret.h"
#include "cli/setting_values.h"
#include "cli/small_file.h"

namespace vpn::cli {
namespace {

using control::AuthMode;

// --- The table ---

struct Setting {
  const char* name;      ///< of the environment and the file; the flag is it in lower case with dashes
  const char* fallback;  ///< "": none, the setting stays as Settings{} has it
  const char* example;   ///< a right value
  const char* help;
  Fault (*apply)(std::string_view value, Settings& settings);
  bool secret = false;  ///< also read from the file NAME_FILE; its value is never shown
};

constexpr auto kSettings = std::to_array<Setting>({
    {"WG_PRIVATE_KEY", "", "(what `vpn-enabler genkey` prints)",
     "The gateway's private key; made once and kept when unset",
     [](std::string_view value, Settings& s) { return parse_private_key(value, s.wg_private_key); }, true},
    {"WG_SUBNET", "192.168.2.1/24", "192.168.2.1/24", "The gateway's address in the VPN, with the subnet's length",
     [](std::string_view value, Settings& s) { return parse_subnet(value, s.wg_subnet); }},
    {"WG_PORT", "51820", "51820", "UDP port of WireGuard",
     [](std::string_view value, Settings& s) { return parse_port(value, s.wg_port); }},
    {"WG_INTERFACE", "wg0", "wg0", "Name of the interface that is made",
     [](std::string_view value, Settings& s) { return parse_interface(value, s.wg_interface); }},
    {"WG_MTU", "1420", "1420", "Its MTU in bytes",
     [](std::string_view value, Settings& s) { return parse_mtu(value, s.wg_mtu_bytes); }},
    {"SERVER_IP", "", "vpn.example.org", "Where clients find the gateway: an address or host name; detected when unset",
     [](std::string_view value, Settings& s) { return parse_server_ip(value, s.server_ip); }},
    {"SERVER_PORT", "", "51820", "The UDP port that clients are told; WG_PORT when unset",
     [](std::string_view value, Settings& s) { return parse_port(value, s.server_port); }},
    {"PEER_ALLOWED_IPS", "0.0.0.0/0,::/0", "10.0.0.0/8,192.168.0.0/16", "What clients route into the VPN",
     [](std::string_view value, Settings& s) { return parse_allowed_ips(value, s.peer_allowed_ips); }},
    {"API_ADDRESS", "127.0.0.1", "127.0.0.1", "Address of the REST API; 0.0.0.0 or :: for every one",
     [](std::string_view value, Settings& s) { return parse_address(value, s.api_address); }},
    {"API_PORT", "3000", "3000", "TCP port of the REST API",
     [](std::string_view value, Settings& s) { return parse_port(value, s.api_port); }},
    {"API_SOCKET", kDefaultApiSocket, kDefaultApiSocket, "Unix socket of the REST API, for root",
     [](std::string_view value, Settings& s) { return parse_socket_path(value, s.api_socket); }},
    {"API_TOKEN", "", "(what `vpn-enabler genpsk` prints)",
     "Bearer token of the API; made once and kept when unset and API_ADDRESS is not loopback",
     [](std::string_view value, Settings& s) { return parse_token(value, s.api_token); }, true},
    {"API_AUTH", "token", "token", "token, or off where a gateway in front checks callers",
     [](std::string_view value, Settings& s) {
       return parse_word<AuthMode>(value, {{"token", AuthMode::kToken}, {"off", AuthMode::kOff}}, s.api_auth);
     }},
    {"STATE_DIR", "/var/lib/vpn-enabler", "/var/lib/vpn-enabler", "Directory of the keys and clients that are kept",
     [](std::string_view value, Settings& s) { return parse_path(value, s.state_dir); }},
    {"STORE", "sqlite", "sqlite", "Where clients are kept: sqlite, a file under STATE_DIR",
     [](std::string_view value, Settings&) { return parse_store(value); }},
    {"MONGODB_HOST", "", "(unset)", "Refused: no MongoDB in this version",
     [](std::string_view, Settings&) -> Fault {
       return "asks for MongoDB as store, which this version does not have: clients stay in SQLite under STATE_DIR";
     }},
    {"LTSE", "false", "false", "Refused when true: no LTSE in this version",
     [](std::string_view value, Settings&) { return parse_ltse(value); }},
    {"TUNNEL", "auto", "userspace", "Who speaks WireGuard: auto or userspace",
     [](std::string_view value, Settings&) { return parse_tunnel(value); }},
    {"NAT", "on", "on", "on: clients reach the site under the gateway's address; off: their own",
     [](std::string_view value, Settings& s) {
       return parse_word<bool>(value, {{"on", true}, {"off", false}}, s.nat);
     }},
    {"LOG_LEVEL", "info", "info", "debug, info, warn or error",
     [](std::string_view value, Settings& s) {
       return parse_word<LogLevel>(value,
                                   {{"debug", LogLevel::kDebug},
                                    {"info", LogLevel::kInfo},
                                    {"warn", LogLevel::kWarning},
                                    {"error", LogLevel::kError}},
                                   s.log_level);
     }},
    {"LOG_FORMAT", "text", "text", "text or json",
     [](std::string_view value, Settings& s) {
       return parse_word<LogFormat>(value, {{"text", LogFormat::kText}, {"json", LogFormat::kJson}}, s.log_format);
     }},
});

// --- Names and messages ---

/// Where a secret's file is named: API_TOKEN_FILE for API_TOKEN.
std::string file_variable(const Setting& setting) {
  return std::string(setting.name) + "_FILE";
}

/// WG_PORT -> wg-port, which is also how CLI11 finds an item of a file.
std::string flag_name(std::string_view name) {
  std::string flag(name);
  for (char& c : flag) c = c == '_' ? '-' : static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return flag;
}

/// A value as an error shows it: quoted, short, on one line.
std::string shown(std::string_view value) {
  constexpr std::size_t kMaxShownBytes = 80;
  std::string text = "\"";
  for (const char c : value.substr(0, kMaxShownBytes)) text.push_back(c < ' ' || c == 0x7f ? '?' : c);
  return text + (value.size() > kMaxShownBytes ? "...\"" : "\"");
}

Error bad_setting(const Setting& setting, std::string_view value, const Fault& fault) {
  const std::string subject =
      setting.secret ? std::string(setting.name) + ": the value" : std::string(setting.name) + "=" + shown(value);
  return {ErrorCode::kInvalidArgument, subject + " " + fault + "; for example " + setting.name + "=" + setting.example,
          setting.name};
}

/// Lines NAME=value as in an environment file; # begins a comment line, double quotes around a value are taken off.
Result<std::vector<CLI::ConfigItem>> parse_settings_file(const std::string& path, const CLI::App& app) {
  const Result<std::string> text = read_small_file(path, kMaxSettingsFileBytes);
  if (!text) return fail(ErrorCode::kInvalidArgument, "--config: " + text.error().message, "config");
  std::vector<CLI::ConfigItem> items;
  std::istringstream lines(*text);
  std::string line;
  for (int number = 1; std::getline(lines, line); ++number) {
    CLI::detail::trim(line);
    if (line.empty() || line.front() == '#') continue;
    const auto fault = [&](const std::string& what) {
      return fail(ErrorCode::kInvalidArgument, path + " line " + std::to_string(number) + ": " + what, "config");
    };
    const std::size_t equals = line.find('=');
    if (equals == std::string::npos) return fault("is not NAME=value; for example WG_PORT=51820");
    std::string name = CLI::detail::trim_copy(line.substr(0, equals));
    std::string value = CLI::detail::trim_copy(line.substr(equals + 1));
    const std::string flag = flag_name(name);
    if (flag == "config" || flag == "help" || app.get_option_no_throw("--" + flag) == nullptr) {
      return fault(shown(name) + " is no setting; `vpn-enabler serve --help` lists them");
    }
    if (std::ranges::any_of(items, [&](const CLI::ConfigItem& item) { return item.name == flag; })) {
      return fault(name + " is set a second time");
    }
    if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
    if (!value.empty()) items.push_back({{}, flag, {value}});
  }
  return items;
}

/// Hands items that are parsed already to CLI11, which fills with them the options that are still empty.
class ParsedItems final : public CLI::Config {
 public:
  explicit ParsedItems(std::vector<CLI::ConfigItem> parsed) { items = std::move(parsed); }
  std::string to_config(const CLI::App*, bool, bool, std::string) const override { return {}; }
  std::vector<CLI::ConfigItem> from_config(std::istream&) const override { return items; }
};

/// A secret's text out of its own file, without the newline that editors end it with.
Result<std::string> read_secret_file(const Setting& setting, const std::string& path) {
  Result<std::string> text = read_small_file(path, kMaxSettingsFileBytes);
  const std::string variable = file_variable(setting);
  if (!text) return fail(ErrorCode::kInvalidArgument, variable + ": " + text.error().message, variable);
  while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
  if (text->empty()) return fail(ErrorCode::kInvalidArgument, variable + ": " + path + " is empty", variable);
  return text;
}

}  // namespace

class SettingsOptions::Impl {
 public:
  explicit Impl(CLI::App& app) : app_(app) {
    app.add_option("--config", config_file_, "File of settings, a line NAME=value each")->type_name("FILE");
    for (std::size_t i = 0; i < kSettings.size(); ++i) {
      const Setting& setting = kSettings[i];
      std::string help = setting.help;
      if (setting.secret) help += " (as a flag, everyone on the machine can read it)";
      if (*setting.fallback != '\0') help += std::string(" [") + setting.fallback + "]";
      declare(setting.name, values_[i], help, "VALUE");
      if (setting.secret) declare(file_variable(setting), files_[i], "The same, read from a file", "FILE");
    }
  }

  Result<Settings> read() {
    if (Status filled = fill_from_file(); !filled) return fail(filled.error());
    Settings settings;
    for (std::size_t i = 0; i < kSettings.size(); ++i) {
      const Setting& setting = kSettings[i];
      Result<std::string> value = effective_value(i);
      if (!value) return fail(value.error());
      if (value->empty()) continue;
      const Fault fault = setting.apply(*value, settings);
      Status good = fault.empty() ? Status{} : fail(bad_setting(setting, *value, fault));
      if (setting.secret) wipe(value->data(), value->size());
      if (!good) return fail(good.error());
    }
    if (settings.server_port == 0) settings.server_port = settings.wg_port;
    return settings;
  }

 private:
  void declare(const std::string& name, std::string& value, const std::string& help, const char* type) {
    app_.add_option("--" + flag_name(name), value, help)->envname(name)->type_name(type);
  }

  /// The flags and the environment are in place by now; what they left empty comes from the file.
  Status fill_from_file() {
    if (config_file_.empty()) return {};
    Result<std::vector<CLI::ConfigItem>> items = parse_settings_file(config_file_, app_);
    if (!items) return fail(items.error());
    app_.config_formatter(std::make_shared<ParsedItems>(std::move(*items)));
    std::istringstream nothing;
    try {
      app_.parse_from_stream(nothing);
    } catch (const CLI::Error& error) {
      return fail(ErrorCode::kInvalidArgument, config_file_ + ": " + error.what(), "config");
    }
    return {};
  }

  Result<std::string> effective_value(std::size_t i) const {
    const Setting& setting = kSettings[i];
    if (files_[i].empty()) return values_[i].empty() ? setting.fallback : values_[i];
    if (values_[i].empty()) return read_secret_file(setting, files_[i]);
    return fail(ErrorCode::kInvalidArgument,
                std::string("both ") + setting.name + " and " + file_variable(setting) + " are set; keep one of them",
                setting.name);
  }

  CLI::App& app_;
  std::string config_file_;
  std::array<std::string, kSettings.size()> values_;  ///< as given, by the index of kSettings
  std::array<std::string, kSettings.size()> files_;   ///< of NAME_FILE; used for secrets
};

SettingsOptions::SettingsOptions(CLI::App& app) : impl_(std::make_unique<Impl>(app)) {}
SettingsOptions::~SettingsOptions() = default;
Result<Settings> SettingsOptions::read() {
  return impl_->read();
}

}  // namespace vpn::cli
