#include "cli/settings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

namespace vpn::cli {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

constexpr const char* kGoodKey = "YNqHbfBQKaGvzeWKrFLdy0LQ6xvLXhM1lCQMuOKBYWw=";
constexpr const char* kGoodToken = "0123456789abcdef0123456789abcdef";

/// Every test begins with none of the settings in its environment.
class SettingsTest : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"WG_PRIVATE_KEY", "WG_PRIVATE_KEY_FILE",
                             "WG_SUBNET",      "WG_SUBNET6",
                             "WG_PORT",        "WG_INTERFACE",
                             "WG_MTU",         "SERVER_IP",
                             "SERVER_PORT",    "PEER_ALLOWED_IPS",
                             "API_ADDRESS",    "API_PORT",
                             "API_SOCKET",     "API_TOKEN",
                             "API_TOKEN_FILE", "API_AUTH",
                             "STATE_DIR",      "STORE",
                             "MONGODB_HOST",   "MONGODB_HOST_FILE",
                             "MONGODB_PORT",   "MONGODB_USER",
                             "MONGODB_PASS",   "MONGODB_PASS_FILE",
                             "LTSE",           "LTSE_URL",
                             "LTSE_URL_FILE",  "LTSE_INDEX",
                             "TUNNEL",         "NAT",
                             "ENGINE_WORKERS", "ENGINE_OFFLOADS",
                             "LOG_LEVEL",      "LOG_FORMAT"}) {
      ::unsetenv(name);
    }
    std::string pattern = (std::filesystem::temp_directory_path() / "settings-test-XXXXXX").string();
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }

  void TearDown() override {
    std::filesystem::remove_all(directory_);
    for (const std::string& name : set_) ::unsetenv(name.c_str());
  }

  void set_environment(const std::string& name, const std::string& value) {
    ::setenv(name.c_str(), value.c_str(), 1);
    set_.push_back(name);
  }

  std::string file(const std::string& name, const std::string& text) {
    const std::filesystem::path path = directory_ / name;
    std::ofstream(path) << text;
    return path.string();
  }

  static Result<Settings> read(std::vector<std::string> arguments = {}) {
    CLI::App app;
    SettingsOptions options(app);
    std::reverse(arguments.begin(), arguments.end());  // the order in which CLI11 takes a vector
    app.parse(arguments);
    return options.read();
  }

  Result<Settings> read_with(const std::string& name, const std::string& value) {
    set_environment(name, value);
    return read();
  }

  /// The message for a value that must be refused.
  std::string refusal(const std::string& name, const std::string& value) {
    const Result<Settings> settings = read_with(name, value);
    ::unsetenv(name.c_str());
    if (settings) return "(accepted)";
    EXPECT_EQ(settings.error().code, ErrorCode::kInvalidArgument);
    EXPECT_EQ(settings.error().field, name);
    EXPECT_THAT(settings.error().message, HasSubstr("for example " + name + "=")) << "an error shows a right value";
    return settings.error().message;
  }

  std::filesystem::path directory_;
  std::vector<std::string> set_;
};

TEST_F(SettingsTest, DefaultsAreTheOriginalsAndOurs) {
  const Result<Settings> settings = read();
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_FALSE(settings->wg_private_key);
  EXPECT_EQ(to_string(settings->wg_subnet), "192.168.2.1/24");
  EXPECT_FALSE(settings->wg_subnet6);
  EXPECT_EQ(settings->wg_port, 51820);
  EXPECT_EQ(settings->server_port, 51820);
  EXPECT_EQ(settings->wg_interface, "wg0");
  EXPECT_EQ(settings->wg_mtu_bytes, 1420);
  EXPECT_EQ(settings->server_ip, "");
  EXPECT_EQ(settings->peer_allowed_ips, "0.0.0.0/0,::/0");
  EXPECT_EQ(to_string(settings->api_address), "127.0.0.1");
  EXPECT_EQ(settings->api_port, 3000);
  EXPECT_EQ(settings->api_socket, "/run/vpn-enabler/api.sock");
  EXPECT_FALSE(settings->api_token);
  EXPECT_EQ(settings->api_auth, control::AuthMode::kToken);
  EXPECT_EQ(settings->state_dir, "/var/lib/vpn-enabler");
  EXPECT_EQ(settings->engine_offloads, engine::io::Offloads());
  EXPECT_TRUE(settings->nat);
  EXPECT_EQ(settings->log_level, LogLevel::kInfo);
  EXPECT_EQ(settings->log_format, LogFormat::kText);
}

TEST_F(SettingsTest, FlagBeatsEnvironmentBeatsFileBeatsDefault) {
  const std::string config = file("settings", "API_PORT=3001\nWG_PORT=3001\nSERVER_PORT=3001\n");
  set_environment("API_PORT", "3002");
  set_environment("WG_PORT", "3002");
  const Result<Settings> settings = read({"--config", config, "--api-port", "3003"});
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(settings->api_port, 3003);
  EXPECT_EQ(settings->wg_port, 3002);
  EXPECT_EQ(settings->server_port, 3001);
  EXPECT_EQ(settings->wg_mtu_bytes, 1420);
}

TEST_F(SettingsTest, EverySettingIsTakenFromTheFile) {
  const std::string config = file("settings",
                                  "# the site in Valencia\n"
                                  "\n"
                                  "WG_SUBNET = 10.8.0.1/16\n"
                                  "WG_SUBNET6 = fd00:8::1/64\n"
                                  "wg-interface=vpn-a\n"
                                  "WG_MTU=1280\n"
                                  "SERVER_IP=\"vpn.example.org\"\n"
                                  "PEER_ALLOWED_IPS=10.0.0.0/8, 192.168.0.0/16\n"
                                  "API_ADDRESS=::\n"
                                  "API_SOCKET=/run/a.sock\n"
                                  "API_TOKEN=0123456789abcdef==\n"
                                  "API_AUTH=off\n"
                                  "STATE_DIR=/srv/vpn\n"
                                  "ENGINE_OFFLOADS=none\n"
                                  "NAT=off\n"
                                  "LOG_LEVEL=debug\n"
                                  "LOG_FORMAT=json\n"
                                  "WG_PORT=\n");
  const Result<Settings> settings = read({"--config", config});
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_EQ(to_string(settings->wg_subnet), "10.8.0.1/16");
  EXPECT_EQ(settings->wg_subnet6, IpPrefix::parse("fd00:8::1/64"));
  EXPECT_EQ(settings->wg_interface, "vpn-a");
  EXPECT_EQ(settings->wg_mtu_bytes, 1280);
  EXPECT_EQ(settings->server_ip, "vpn.example.org");
  EXPECT_EQ(settings->peer_allowed_ips, "10.0.0.0/8,192.168.0.0/16");
  EXPECT_EQ(to_string(settings->api_address), "::");
  EXPECT_EQ(settings->api_socket, "/run/a.sock");
  EXPECT_TRUE(settings->api_token && settings->api_token->matches("0123456789abcdef=="));
  EXPECT_EQ(settings->api_auth, control::AuthMode::kOff);
  EXPECT_EQ(settings->state_dir, "/srv/vpn");
  EXPECT_EQ(settings->engine_offloads, engine::io::kNoOffloads);
  EXPECT_FALSE(settings->nat);
  EXPECT_EQ(settings->log_level, LogLevel::kDebug);
  EXPECT_EQ(settings->log_format, LogFormat::kJson);
  EXPECT_EQ(settings->wg_port, 51820) << "an empty value is an unset one";
}

TEST_F(SettingsTest, TakesTheGatewaysIpv6AddressWhereverNoClientIs) {
  for (const char* address : {"fd00:2::1/64", "2001:db8::1/96", "fec0::1/16", "fd00:2::192.168.2.1/64",
                              "fd00:2::192.168.3.7/64", "fd00:2::1:c0a8:207/64", "fd00:2::ffff:ffff/64"}) {
    const auto settings = read_with("WG_SUBNET6", address);
    ASSERT_TRUE(settings) << settings.error().message;
    EXPECT_EQ(settings->wg_subnet6, IpPrefix::parse(address));
  }
}

TEST_F(SettingsTest, AsksForAnMtuThatCarriesIpv6WhereThereIsIpv6) {
  EXPECT_EQ(read_with("WG_MTU", "1279")->wg_mtu_bytes, 1279);
  set_environment("WG_SUBNET6", "fd00:2::1/64");
  EXPECT_THAT(refusal("WG_MTU", "1279"), HasSubstr("less than the 1280 that IPv6 needs"));
  EXPECT_EQ(read_with("WG_MTU", "1280")->wg_mtu_bytes, 1280);
}

TEST_F(SettingsTest, AdvertisedPortFollowsTheListenPortUnlessSet) {
  EXPECT_EQ(read_with("WG_PORT", "4500")->server_port, 4500);
  EXPECT_EQ(read_with("SERVER_PORT", "31820")->server_port, 31820);
}

TEST_F(SettingsTest, RefusesBadValuesNamingTheirFault) {
  struct Case {
    const char* name;
    const char* value;
    const char* fault;
  };
  for (const Case& bad : std::initializer_list<Case>{
           {"API_PORT", "0", "is not a port number"},
           {"API_PORT", "65536", "is not a port number"},
           {"API_PORT", "3000x", "is not a port number"},
           {"WG_PORT", "-1", "is not a port number"},
           {"SERVER_PORT", " 1", "is not a port number"},
           {"WG_SUBNET", "192.168.2.0/24", "network address"},
           {"WG_SUBNET", "192.168.2.255/24", "broadcast address"},
           {"WG_SUBNET", "192.168.2.1", "subnet length from 8 to 30"},
           {"WG_SUBNET", "192.168.2.1/31", "subnet length from 8 to 30"},
           {"WG_SUBNET", "10.0.0.1/7", "subnet length from 8 to 30"},
           {"WG_SUBNET", "fd00::1/64", "is not an IPv4 address"},
           {"WG_SUBNET", "0.0.0.1/8", "where no client can have an address"},
           {"WG_SUBNET", "127.0.0.1/24", "where no client can have an address"},
           {"WG_SUBNET", "224.0.0.1/24", "where no client can have an address"},
           {"WG_SUBNET", "255.255.255.1/24", "where no client can have an address"},
           {"WG_SUBNET", "$(touch /tmp/pwned)", "is not an IPv4 address"},
           {"WG_SUBNET6", "192.168.2.1/24", "is an IPv4 address, which WG_SUBNET is for"},
           {"WG_SUBNET6", "fd00:2::g/64", "is not an IPv6 address"},
           {"WG_SUBNET6", "fd00:2::1/129", "is not an IPv6 address with a prefix length"},
           {"WG_SUBNET6", "fd00:2::1%wg0/64", "is not an IPv6 address"},
           {"WG_SUBNET6", "fd00:2::1", "prefix length from 16 to 96"},
           {"WG_SUBNET6", "fd00:2::1/97", "prefix length from 16 to 96"},
           {"WG_SUBNET6", "fd00::1/15", "prefix length from 16 to 96"},
           {"WG_SUBNET6", "fd00:2::/64", "network address"},
           {"WG_SUBNET6", "::1/96", "where no client can have an address"},
           {"WG_SUBNET6", "::ffff:10.0.0.1/96", "where no client can have an address"},
           {"WG_SUBNET6", "fe80::1/64", "where no client can have an address"},
           {"WG_SUBNET6", "febf::1/16", "where no client can have an address"},
           {"WG_SUBNET6", "ff05::1/64", "where no client can have an address"},
           {"WG_SUBNET6", "fd00:2::192.168.2.7/64", "ends in 192.168.2.7"},
           {"WG_INTERFACE", "sixteen-letters-", "is not an interface name"},
           {"WG_INTERFACE", "a b", "is not an interface name"},
           {"WG_INTERFACE", "a/b", "is not an interface name"},
           {"WG_INTERFACE", "..", "is not an interface name"},
           {"WG_MTU", "575", "is not a number of bytes"},
           {"WG_MTU", "65536", "is not a number of bytes"},
           {"SERVER_IP", "vpn.example.org:51820", "is not an IP address or a host name"},
           {"SERVER_IP", "192.168.1.300", "is not an IP address or a host name"},
           {"SERVER_IP", "-a.example.org", "is not an IP address or a host name"},
           {"SERVER_IP", "0.0.0.0", "is no host's address"},
           {"SERVER_IP", "::", "is no host's address"},
           {"SERVER_IP", "0.1.2.3", "is no host's address"},
           {"SERVER_IP", "239.1.2.3", "is no host's address"},
           {"SERVER_IP", "240.0.0.1", "is no host's address"},
           {"SERVER_IP", "255.255.255.255", "is no host's address"},
           {"SERVER_IP", "ff02::1", "is no host's address"},
           {"SERVER_IP", "fe80::1", "is no host's address"},
           {"SERVER_IP", "febf::1", "is no host's address"},
           {"SERVER_IP", "::ffff:224.0.0.1", "is no host's address"},
           {"SERVER_IP", "a b", "is not an IP address or a host name"},
           {"PEER_ALLOWED_IPS", "0.0.0.0/0,", "is not a comma-separated list"},
           {"PEER_ALLOWED_IPS", "0.0.0.0/33", "is not a comma-separated list"},
           {"API_ADDRESS", "localhost", "is not an IP address"},
           {"API_ADDRESS", "224.0.0.1", "is a multicast address"},
           {"API_ADDRESS", "ff02::1", "is a multicast address"},
           {"API_SOCKET", "api.sock", "is not an absolute path"},
           {"STATE_DIR", "state", "is not an absolute path"},
           {"API_AUTH", "none", "is none of token, off"},
           {"STORE", "postgres", "is none of sqlite, mongodb, ltse"},
           {"MONGODB_PORT", "65536", "is not a port"},
           {"LTSE", "yes", "is none of true, false"},
           {"TUNNEL", "boringtun", "is none of auto, kernel, userspace"},
           {"ENGINE_OFFLOADS", "on", "is not all, none, a list of tso, uso, gso and gro"},
           {"ENGINE_OFFLOADS", "tso,lro", "is not all, none, a list"},
           {"ENGINE_OFFLOADS", "tso,", "is not all, none, a list"},
           {"ENGINE_OFFLOADS", "tso,no-uso", "is not all, none, a list"},
           {"ENGINE_OFFLOADS", "no-uso,gso", "is not all, none, a list"},
           {"ENGINE_OFFLOADS", "tso,all", "is not all, none, a list"},
           {"NAT", "true", "is none of on, off"},
           {"ENGINE_WORKERS", "0", "is neither auto nor a number from 1 to 64"},
           {"ENGINE_WORKERS", "65", "is neither auto nor a number from 1 to 64"},
           {"ENGINE_WORKERS", "two", "is neither auto nor a number from 1 to 64"},
           {"LOG_LEVEL", "trace", "is none of debug, info, warn, warning, error"},
           {"LOG_FORMAT", "xml", "is none of text, json"},
       }) {
    EXPECT_THAT(refusal(bad.name, bad.value),
                AllOf(HasSubstr(bad.fault), HasSubstr(std::string("\"") + bad.value + "\"")))
        << bad.name << "=" << bad.value;
  }
  EXPECT_THAT(refusal("MONGODB_USER", "a\x7f"), HasSubstr("holds a control character"));
  EXPECT_THAT(refusal("API_SOCKET", "/" + std::string(107, 'a')), HasSubstr("longer than the 107 bytes"));
  EXPECT_THAT(refusal("SERVER_IP", std::string(64, 'a') + ".org"), HasSubstr("is not an IP address or a host name"));
}

TEST_F(SettingsTest, AcceptsTheValuesBetween) {
  EXPECT_TRUE(read_with("WG_SUBNET", "10.0.0.1/8"));
  EXPECT_TRUE(read_with("WG_SUBNET", "192.168.2.1/30"));
  EXPECT_TRUE(read_with("STORE", "sqlite"));
  EXPECT_TRUE(read_with("TUNNEL", "userspace"));
  EXPECT_TRUE(read_with("TUNNEL", "auto"));
  EXPECT_TRUE(read_with("WG_SUBNET", "223.255.255.1/24"));
  EXPECT_TRUE(read_with("SERVER_IP", "2001:db8::1"));
  EXPECT_TRUE(read_with("SERVER_IP", "127.0.0.1"));
  EXPECT_TRUE(read_with("SERVER_IP", "223.255.255.255"));
  EXPECT_TRUE(read_with("SERVER_IP", "1.0.0.1"));
  EXPECT_TRUE(read_with("SERVER_IP", "fec0::1"));
  EXPECT_TRUE(read_with("API_ADDRESS", "::"));
  EXPECT_TRUE(read_with("API_ADDRESS", "0.0.0.0"));
  EXPECT_EQ(read_with("ENGINE_WORKERS", "64")->engine_workers, 64u);
  EXPECT_EQ(read_with("ENGINE_WORKERS", "auto")->engine_workers, std::nullopt);
  EXPECT_EQ(read_with("LOG_LEVEL", "warn")->log_level, LogLevel::kWarning);
  EXPECT_EQ(read_with("LOG_LEVEL", "warning")->log_level, LogLevel::kWarning);
  EXPECT_TRUE(read_with("API_SOCKET", "/" + std::string(106, 'a')));
  EXPECT_TRUE(read_with("WG_PRIVATE_KEY", kGoodKey)->wg_private_key.has_value());
}

TEST_F(SettingsTest, SwitchesOffloadsOnOrOffByName) {
  const auto offloads = [this](const char* value) { return read_with("ENGINE_OFFLOADS", value)->engine_offloads; };
  EXPECT_EQ(offloads("all"), (engine::io::Offloads{.tso = true, .uso = true, .gso = true, .gro = true}));
  EXPECT_EQ(offloads("none"), (engine::io::Offloads{.tso = false, .uso = false, .gso = false, .gro = false}));
  EXPECT_EQ(offloads("tso, gro"), (engine::io::Offloads{.tso = true, .uso = false, .gso = false, .gro = true}));
  EXPECT_EQ(offloads("no-uso"), (engine::io::Offloads{.tso = true, .uso = false, .gso = true, .gro = true}));
  EXPECT_EQ(offloads("no-tso,no-gso"), (engine::io::Offloads{.tso = false, .uso = true, .gso = false, .gro = true}));
}

TEST_F(SettingsTest, ChoosesTheStoreThatIsConfigured) {
  EXPECT_EQ(read_with("LTSE", "false")->store, StoreKind::kSqlite);
  EXPECT_EQ(read_with("MONGODB_HOST", "")->store, StoreKind::kSqlite);
  set_environment("MONGODB_HOST", "mongo");
  set_environment("MONGODB_PASS", "open sesame");
  const auto mongodb = read();
  ASSERT_TRUE(mongodb) << mongodb.error().message;
  EXPECT_EQ(mongodb->store, StoreKind::kMongodb);
  EXPECT_EQ(mongodb->mongodb_host, "mongo");
  EXPECT_EQ(mongodb->mongodb_port, 27017);
  EXPECT_EQ(mongodb->mongodb_pass, "open sesame");
  const auto ltse = read_with("LTSE", "true");  // the original's chart sets both
  EXPECT_EQ(ltse->store, StoreKind::kLtse);
  EXPECT_EQ(ltse->ltse_url, "http://ltse-api:8080");
  EXPECT_EQ(ltse->ltse_index, "vpn-enabler");
  EXPECT_EQ(read_with("STORE", "sqlite")->store, StoreKind::kSqlite);
}

TEST_F(SettingsTest, AnErrorStaysShortAndOnOneLine) {
  const std::string message = refusal("WG_SUBNET", "a\nb\x1b[2J" + std::string(5000, 'x'));
  EXPECT_LT(message.size(), 300u);
  EXPECT_THAT(message, AllOf(Not(HasSubstr("\n")), Not(HasSubstr("\x1b"))));
}

TEST_F(SettingsTest, NeverShowsASecretsValue) {
  for (const std::string secret :
       {"tooshort", "YNqHbfBQKaGvzeWKrFLdy0LQ6xvLXhM1lCQMuOKBYWx=", "0123456789abcdef01234 spaced"}) {
    EXPECT_THAT(refusal("WG_PRIVATE_KEY", secret), AllOf(HasSubstr("44 base64 characters"), Not(HasSubstr(secret))));
    const Result<Settings> settings = read_with("API_TOKEN", secret);
    ::unsetenv("API_TOKEN");
    if (!settings) {
      EXPECT_THAT(settings.error().message, Not(HasSubstr(secret)));
    }
  }
  EXPECT_THAT(refusal("WG_PRIVATE_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), HasSubstr("all zeros"));
  EXPECT_THAT(refusal("API_TOKEN", "short"), HasSubstr("16 to 1024"));
  EXPECT_THAT(refusal("API_TOKEN", "0123456789abcdef\"x"), HasSubstr("16 to 1024"));
}

TEST_F(SettingsTest, ReadsASecretFromItsFile) {
  set_environment("API_TOKEN_FILE", file("token", std::string(kGoodToken) + "\n"));
  const Result<Settings> settings = read({"--wg-private-key-file", file("key", kGoodKey)});
  ASSERT_TRUE(settings) << settings.error().message;
  EXPECT_TRUE(settings->api_token && settings->api_token->matches(kGoodToken));
  EXPECT_EQ(settings->wg_private_key, PrivateKey::parse(kGoodKey));
}

TEST_F(SettingsTest, RefusesASecretGivenTwice) {
  set_environment("API_TOKEN", kGoodToken);
  const Result<Settings> settings = read({"--api-token-file", file("token", kGoodToken)});
  ASSERT_FALSE(settings);
  EXPECT_THAT(settings.error().message, HasSubstr("both API_TOKEN and API_TOKEN_FILE are set"));
}

TEST_F(SettingsTest, RefusesASecretFileThatIsMissingEmptyOrHuge) {
  EXPECT_THAT(read({"--api-token-file", "/proc/0"}).error().message, HasSubstr("API_TOKEN_FILE: /proc/0"));
  EXPECT_THAT(read({"--api-token-file", file("empty", "\n")}).error().message, HasSubstr("is empty"));
  EXPECT_THAT(read({"--api-token-file", file("huge", std::string(kMaxSettingsFileBytes + 1, 'a'))}).error().message,
              HasSubstr("larger than"));
}

TEST_F(SettingsTest, RefusesABadFileNamingTheLine) {
  const auto message = [&](const std::string& text) { return read({"--config", file("c", text)}).error().message; };
  EXPECT_THAT(message("API_PORT=3000\nWG_PRT=1\n"), AllOf(HasSubstr("line 2"), HasSubstr("is no setting")));
  EXPECT_THAT(message("API_PORT=1\n\n# x\nAPI_PORT=2\n"), AllOf(HasSubstr("line 4"), HasSubstr("a second time")));
  EXPECT_THAT(message("API_PORT\n"), AllOf(HasSubstr("line 1"), HasSubstr("is not NAME=value")));
  EXPECT_THAT(message("config=/etc/x\n"), HasSubstr("is no setting"));
  // The file may be a secret's own, named by mistake.
  for (const std::string& secret : {std::string(kGoodKey), std::string("hunter=2")}) {
    EXPECT_THAT(message(secret + "\n"), Not(HasSubstr(secret.substr(0, secret.find('=')))));
  }
  EXPECT_THAT(read({"--config", "/proc/0"}).error().message, HasSubstr("/proc/0: no such file"));
}

}  // namespace
}  // namespace vpn::cli
