#include "cli/settings.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
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

// Applied in this order: WG_SUBNET6 has to go with WG_SUBNET, WG_MTU with WG_SUBNET6; STORE says what MONGODB_HOST and
// LTSE only suggest.
constexpr auto kSettings = std::to_array<Setting>({
    {"WG_PRIVATE_KEY", "", "(what `vpn-enabler genkey` prints)",
     "The gateway's private key; made once and kept when unset",
     [](std::string_view value, Settings& s) { return parse_private_key(value, s.wg_private_key); }, true},
    {"WG_SUBNET", "192.168.2.1/24", "192.168.2.1/24", "The gateway's address in the VPN, with the subnet's length",
     [](std::string_view value, Settings& s) { return parse_subnet(value, s.wg_subnet); }},
    {"WG_SUBNET6", "", "fd00:2::1/64", "Its IPv6 address there, with the prefix's length; no IPv6 in the VPN when unset",
     [](std::string_view value, Settings& s) { return parse_subnet6(value, s.wg_subnet, s.wg_subnet6); }},
    {"WG_PORT", "51820", "51820", "UDP port of WireGuard",
     [](std::string_view value, Settings& s) { return parse_port(value, s.wg_port); }},
    {"WG_INTERFACE", "wg0", "wg0", "Name of the interface that is made",
     [](std::string_view value, Settings& s) { return parse_interface(value, s.wg_interface); }},
    {"WG_MTU", "1420", "1420", "Its MTU in bytes",
     [](std::string_view value, Settings& s) { return parse_mtu(value, s.wg_subnet6.has_value(), s.wg_mtu_bytes); }},
    {"SERVER_IP", "", "vpn.example.org", "Where clients find the gateway: an address or host name; detected when unset",
     [](std::string_view value, Settings& s) { return parse_server_ip(value, s.server_ip); }},
    {"SERVER_PORT", "", "51820", "The UDP port that clients are told; WG_PORT when unset",
     [](std::string_view value, Settings& s) { return parse_port(value, s.server_port); }},
    {"PEER_ALLOWED_IPS", "0.0.0.0/0,::/0", "10.0.0.0/8,192.168.0.0/16", "What clients route into the VPN, and all they reach",
     [](std::string_view value, Settings& s) { return parse_allowed_ips(value, s.peer_allowed_ips); }},
    {"API_ADDRESS", "127.0.0.1", "127.0.0.1", "Address of the REST API; 0.0.0.0 or :: for every one",
     [](std::string_view value, Settings& s) { return parse_address(value, s.api_address); }},
    {"API_PORT", "3000", "3000", "TCP port of the REST API",
     [](std::string_view value, Settings& s) { return parse_port(value, s.api_port); }},
    {"API_SOCKET", kDefaultApiSocket, kDefaultApiSocket, "Unix socket of the REST API, for root",
     [](std::string_view value, Settings& s) { return parse_socket_path(value, s.api_socket); }},
    {"API_TOKEN", "", "(what `vpn-enabler genpsk` prints)",
     "Bearer token that callers of the API show, also on loopback; unset, one is made and kept when API_ADDRESS is not loopback",
     [](std::string_view value, Settings& s) { return parse_token(value, s.api_token); }, true},
    {"API_AUTH", "token", "token", "token, or off where a gateway in front checks callers",
     [](std::string_view value, Settings& s) {
       return parse_word<AuthMode>(value, {{"token", AuthMode::kToken}, {"off", AuthMode::kOff}}, s.api_auth);
     }},
    {"STATE_DIR", "/var/lib/vpn-enabler", "/var/lib/vpn-enabler", "Directory of the keys and clients that are kept",
     [](std::string_view value, Settings& s) { return parse_path(value, s.state_dir); }},
    {"MONGODB_HOST", "", "mongo.example.org", "MongoDB: a host, several with commas, or a whole mongodb:// URI",
     [](std::string_view value, Settings& s) {
       s.store = StoreKind::kMongodb;
       return parse_line(value, s.mongodb_host);
     },
     true},
    {"MONGODB_PORT", "27017", "27017", "Its TCP port, where MONGODB_HOST names none",
     [](std::string_view value, Settings& s) { return parse_port(value, s.mongodb_port); }},
    {"MONGODB_USER", "", "vpn", "Its user; no authentication when unset",
     [](std::string_view value, Settings& s) { return parse_line(value, s.mongodb_user); }},
    {"MONGODB_PASS", "", "(the user's password)", "The user's password",
     [](std::string_view value, Settings& s) {
       s.mongodb_pass = value;
       return Fault();
     },
     true},
    {"LTSE", "false", "true", "true: clients are kept in the LTSE",
     [](std::string_view value, Settings& s) {
       return parse_word<StoreKind>(value, {{"true", StoreKind::kLtse}, {"false", s.store}}, s.store);
     }},
    {"LTSE_URL", "http://ltse-api:8080", "http://ltse-api:8080", "Where the LTSE is",
     [](std::string_view value, Settings& s) { return parse_line(value, s.ltse_url); }, true},
    {"LTSE_INDEX", "vpn-enabler", "vpn-enabler", "The index of the clients in the LTSE",
     [](std::string_view value, Settings& s) { return parse_line(value, s.ltse_index); }},
    {"STORE", "", "sqlite",
     "Where clients are kept: sqlite (a file under STATE_DIR), mongodb or ltse; when unset, ltse if LTSE=true, mongodb "
     "if MONGODB_HOST is set, else sqlite",
     [](std::string_view value, Settings& s) {
       return parse_word<StoreKind>(
           value, {{"sqlite", StoreKind::kSqlite}, {"mongodb", StoreKind::kMongodb}, {"ltse", StoreKind::kLtse}},
           s.store);
     }},
    {"TUNNEL", "auto", "userspace", "Who speaks WireGuard: the kernel, userspace (our own engine), or auto: the kernel if it can",
     [](std::string_view value, Settings& s) {
       return parse_word<TunnelChoice>(value,
                                       {{"auto", TunnelChoice::kAuto},
                                        {"kernel", TunnelChoice::kKernel},
                                        {"userspace", TunnelChoice::kUserspace}},
                                       s.tunnel);
     }},
    {"ENGINE_WORKERS", "auto", "2", "Threads of our own engine that carry packets, 1 to 64; auto: one for every two processors, 1 to 8",
     [](std::string_view value, Settings& s) { return parse_workers(value, s.engine_workers); }},
    {"ENGINE_OFFLOADS", "all", "no-uso",
     "What our own engine uses of the kernel's offloads, where it has them: all, none, some of tso,uso,gso,gro, or all but some: "
     "no-uso,no-gro",
     [](std::string_view value, Settings& s) { return parse_offloads(value, s.engine_offloads); }},
    {"NAT", "on", "on", "on: clients reach the site under the gateway's address; off: their own",
     [](std::string_view value, Settings& s) {
       return parse_word<bool>(value, {{"on", true}, {"off", false}}, s.nat);
     }},
    {"LOG_LEVEL", "info", "info", "debug, info, warn (or warning) or error",
     [](std::string_view value, Settings& s) {
       return parse_word<LogLevel>(value,
                                   {{"debug", LogLevel::kDebug},
                                    {"info", LogLevel::kInfo},
                                    {"warn", LogLevel::kWarning},
                                    {"warning", LogLevel::kWarning},
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

/// WG_PORT -> wg-port.
std::string flag_name(std::string_view name) {
  std::string flag(name);
  for (char& c : flag) c = c == '_' ? '-' : static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  return flag;
}

Error bad_setting(const Setting& setting, std::string_view value, const Fault& fault) {
  if (!setting.secret) return bad_value(setting.name, value, fault, setting.example);
  return {ErrorCode::kInvalidArgument,
          std::string(setting.name) + ": the value " + fault + "; for example " + setting.name + "=" + setting.example,
          setting.name};
}

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\v\f";
  text.remove_prefix(std::min(text.find_first_not_of(kSpaces), text.size()));
  return text.substr(0, text.find_last_not_of(kSpaces) + 1);
}

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

  ~Impl() {
    for (std::size_t i = 0; i < kSettings.size(); ++i) {
      if (kSettings[i].secret) wipe(values_[i].data(), values_[i].size());
    }
  }
  Impl(const Impl&) = delete;
  Impl& operator=(const Impl&) = delete;

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
    Result<std::string> text = read_small_file(config_file_, kMaxSettingsFileBytes);
    if (!text) return fail(ErrorCode::kInvalidArgument, "--config: " + text.error().message, "config");
    Status filled = fill_from_text(*text);
    wipe(text->data(), text->size());  // there may be secrets in it
    return filled;
  }

  /// Lines NAME=value as in an environment file; # begins a comment line, double quotes around a value are taken off.
  Status fill_from_text(std::string_view text) {
    std::vector<const std::string*> seen;
    for (int number = 1; !text.empty(); ++number) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      const std::string_view line = trimmed(text.substr(0, end));
      text.remove_prefix(std::min(end + 1, text.size()));
      if (line.empty() || line.front() == '#') continue;
      const auto fault = [&](const std::string& what) {
        return fail(ErrorCode::kInvalidArgument, config_file_ + " line " + std::to_string(number) + ": " + what,
                    "config");
      };
      const std::size_t equals = line.find('=');
      if (equals == std::string_view::npos) return fault("is not NAME=value; for example WG_PORT=51820");
      const std::string_view name = trimmed(line.substr(0, equals));
      std::string_view value = trimmed(line.substr(equals + 1));
      if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);

      std::string* const place = place_of(flag_name(name));
      // The name is not shown: a secret's own file, given by mistake, may hold a '=' too.
      if (place == nullptr) return fault("what stands before = is no setting; `vpn-enabler serve --help` lists them");
      if (std::ranges::find(seen, place) != seen.end()) return fault(std::string(name) + " is set a second time");
      seen.push_back(place);
      if (place->empty()) place->assign(value);
    }
    return {};
  }

  /// Where the value of that flag lies; null for a flag that is no setting's.
  std::string* place_of(std::string_view flag) {
    for (std::size_t i = 0; i < kSettings.size(); ++i) {
      if (flag == flag_name(kSettings[i].name)) return &values_[i];
      if (kSettings[i].secret && flag == flag_name(file_variable(kSettings[i]))) return &files_[i];
    }
    return nullptr;
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
