// Every route over a real socket: which there are, by which methods, and what all of their answers have in common.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "control/api/router.h"
#include "control/api/test_gateway.h"

namespace vpn::control {
namespace {

using testing::HasSubstr;

TEST(GetVersion, AnswersAsTheOriginalDoes) {
  TestGateway gateway;
  for (const auto path : {"/version", "/v1/version"}) {
    EXPECT_EQ(gateway.ask("GET", path).body, R"({"enabler":"VPN enabler","version":"2.0.0"})");
  }
}

TEST(GetApiExport, DescribesEveryRouteAndNoOther) {
  TestGateway gateway;
  const Answer answer = gateway.ask("GET", "/api-export");
  EXPECT_EQ(answer.headers.at("content-type"), "application/json");
  const auto document = boost::json::parse(answer.body);
  EXPECT_EQ(document.at("openapi"), "3.0.3");
  EXPECT_EQ(document.at("info").at("version"), PROJECT_VERSION);
  const auto& paths = document.at("paths").as_object();
  EXPECT_EQ(paths.size(), routes().size());
  for (const Route& route : routes()) {
    ASSERT_TRUE(paths.contains(route.path)) << route.path;
    const auto& operations = paths.at(route.path).as_object();
    EXPECT_EQ(operations.contains("get"), route.get != nullptr) << route.path;
    EXPECT_EQ(operations.contains("head"), route.get != nullptr) << route.path;
    EXPECT_EQ(operations.contains("post"), route.post != nullptr) << route.path;
    EXPECT_EQ(operations.contains("put"), route.put != nullptr) << route.path;
    EXPECT_EQ(operations.contains("delete"), route.del != nullptr) << route.path;
    for (const auto& [method, operation] : operations) {
      const auto* security = operation.as_object().if_contains("security");
      EXPECT_EQ(security != nullptr && security->as_array().empty(), route.open) << route.path;
    }
  }
}

TEST(EveryRoute, HasHeadLikeGetWithoutABody) {
  TestGateway gateway;
  for (const Route& route : routes()) {
    if (route.get == nullptr) continue;
    RawClient client = gateway.connect();
    const Answer head = client.send(TestGateway::request("HEAD", route.path)).receive(true);
    EXPECT_EQ(head.status, 200) << route.path;
    EXPECT_NE(head.headers.at("content-length"), "0") << route.path;
    EXPECT_EQ(client.send(TestGateway::request("GET", "/version")).receive().status, 200) << "a body behind the HEAD?";
  }
}

TEST(EveryRoute, CarriesTheSecurityHeaders) {
  TestGateway gateway;
  for (const auto path : {"/keys", "/version", "/nothing", "/info"}) {
    const Answer answer = gateway.ask("GET", path);
    EXPECT_EQ(answer.headers.at("x-content-type-options"), "nosniff");
    EXPECT_EQ(answer.headers.at("x-frame-options"), "DENY");
    EXPECT_EQ(answer.headers.at("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
    EXPECT_EQ(answer.headers.at("cache-control"), "no-store");
    EXPECT_FALSE(answer.headers.contains("access-control-allow-origin"));
  }
}

TEST(EveryRoute, Answers405WithAllowForOtherMethods) {
  TestGateway gateway;
  const struct {
    std::string_view method, path, allow;
  } kRows[] = {
      {"GET", "/client", "POST, DELETE"}, {"PUT", "/client", "POST, DELETE"},   {"OPTIONS", "/client", "POST, DELETE"},
      {"POST", "/client/enable", "PUT"},  {"GET", "/client/disable", "PUT"},    {"POST", "/keys", "GET, HEAD"},
      {"OPTIONS", "/keys", "GET, HEAD"},  {"DELETE", "/health", "GET, HEAD"},   {"PATCH", "/info", "GET, HEAD"},
      {"BREW", "/version", "GET, HEAD"},  {"TRACE", "/v1/clients", "GET, HEAD"}};
  for (const auto& row : kRows) {
    const Answer answer = gateway.ask(row.method, row.path);
    EXPECT_EQ(answer.status, 405) << row.method << ' ' << row.path;
    EXPECT_EQ(answer.headers.at("allow"), row.allow);
    EXPECT_THAT(message_of(answer), HasSubstr(row.allow));
  }
}

TEST(EveryRoute, IsFoundByItsOwnSpellingOnly) {
  TestGateway gateway;
  for (const std::string_view path : {"/",
                                      "/nothing",
                                      "/client/",
                                      "/clientx",
                                      "/CLIENT",
                                      "//client",
                                      "/./keys",
                                      "/../keys",
                                      "/../../etc/passwd",
                                      "/health/../keys",
                                      "/%2e%2e/keys",
                                      "/%2e%2e%2fetc%2fpasswd",
                                      "/health/%2e%2e/keys",
                                      "/keys%00",
                                      "/%00",
                                      "/k%65ys",
                                      "/keys;x=1",
                                      "/v1",
                                      "/v1/",
                                      "/v1/v1/keys",
                                      "/v2/keys",
                                      "/v1keys",
                                      "/version/keys",
                                      "/keys/version",
                                      "/..%5c..%5cwindows",
                                      "/keys#x",
                                      "*"}) {
    const Answer answer = gateway.ask("GET", path);
    EXPECT_EQ(answer.status, 404) << path;
    EXPECT_THAT(message_of(answer), HasSubstr("no such path"));
  }
  EXPECT_EQ(gateway.ask("GET", std::string_view("/keys\0", 6)).status, 400);
  EXPECT_EQ(gateway.ask("GET", "/ke ys").status, 400);
  EXPECT_EQ(gateway.ask("GET", "/keys?x=1&y").status, 200) << "a query is not part of the path";
}

}  // namespace
}  // namespace vpn::control
