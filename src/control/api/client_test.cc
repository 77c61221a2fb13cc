// A client made, changed and removed over a real socket: the answer, byte by byte, and every row of the table of bad
// input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"
#include "control/api/test_gateway.h"

namespace vpn::control {
namespace {

using testing::HasSubstr;

constexpr std::string_view kKey = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";
constexpr std::string_view kPsk = "FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE=";
const std::string kKeyBody = R"({"publicKey":")" + std::string(kKey) + R"("})";

TEST(PostClient, AnswersAsTheOriginalDoes) {
  TestGateway gateway;
  const Answer answer =
      gateway.ask("POST", "/client",
                  R"({"publicKey": ")" + std::string(kKey) + R"(", "presharedKey": ")" + std::string(kPsk) + R"("})");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("content-type"), "application/json");
  EXPECT_EQ(answer.body, R"({"serverPublicKey":")" + key_text(7) +
                             R"(","serverIP":"192.168.1.67","serverPort":51820,"clientIP":"192.168.2.2/32",)"
                             R"("allowedIPs":"0.0.0.0/0,::/0","message":"Peer added successfully"})");
  gateway.on_strand([&] {
    const Client* client = gateway.clients.find(*PublicKey::parse(kKey));
    ASSERT_NE(client, nullptr);
    EXPECT_EQ(reveal_base64(*client->preshared_key), kPsk);
    EXPECT_EQ(client->name, "");
  });
}

TEST(PostClient, TellsTheIpv6AddressWhereTheVpnHasIpv6) {
  TestGateway gateway({}, {}, IpPrefix::parse("fd00:2::1/64"));
  EXPECT_THAT(gateway.ask("POST", "/client", kKeyBody).body,
              HasSubstr(R"("clientIP":"192.168.2.2/32","clientIP6":"fd00:2::c0a8:202/128","allowedIPs":)"));
  const std::string row = R"("clientIP":"192.168.2.2/32","clientIP6":"fd00:2::c0a8:202/128","enabled":)";
  EXPECT_THAT(gateway.ask("GET", "/clients").body, HasSubstr(row));
  gateway.ask("POST", "/client", R"({"publicKey":")" + key_text(1) + R"(","name":"anna"})");
  EXPECT_THAT(gateway.ask("GET", "/clients?name=anna").body, HasSubstr(R"("clientIP6":"fd00:2::c0a8:203/128")"));
}

TEST(PostClient, TakesAForm) {
  TestGateway gateway;
  const Answer answer =
      gateway.ask("POST", "/v1/client", "publicKey=hSDwCYkwp1R0i33ctD73Wg2%2FOg0mOBr066SpjqqbTmo%3D&name=alice",
                  "Content-Type: application/x-www-form-urlencoded\r\n");
  EXPECT_EQ(answer.status, 200) << answer.body;
  gateway.on_strand([&] {
    const Client* client = gateway.clients.find_by_name("alice");
    ASSERT_NE(client, nullptr);
    EXPECT_FALSE(client->preshared_key);
  });
}

TEST(PostClient, AnswersWhenTheServiceDoes) {
  TestGateway gateway;
  gateway.on_strand([&] { gateway.clients.hold = true; });
  RawClient slow = gateway.connect();
  slow.send(TestGateway::request("POST", "/client", kKeyBody));
  EXPECT_EQ(gateway.ask("GET", "/version").status, 200) << "one waiting request must not hold up another";
  while (true) {
    bool arrived = false;
    gateway.on_strand([&] { arrived = !gateway.clients.held.empty(); });
    if (arrived) break;
  }
  gateway.on_strand([&] { gateway.clients.release(); });
  EXPECT_EQ(slow.receive().status, 200);
}

TEST(PostClient, RefusesBadInputAndChangesNothing) {
  TestGateway gateway;
  const std::string long_name(60'000, 'a');
  const std::string nested = R"({"publicKey":)" + std::string(10'000, '[') + std::string(10'000, ']') + "}";
  const struct {
    std::string body;
    std::string_view named;
  } kRows[] = {
      {"", "publicKey"},
      {"{}", "publicKey"},
      {"{", "JSON object"},
      {"[]", "JSON object"},
      {"\"text\"", "JSON object"},
      {R"({"publicKey":5})", "publicKey"},
      {R"({"publicKey":null})", "publicKey"},
      {R"({"publicKey":"$(touch /tmp/pwned)x"})", "publicKey"},
      {R"j({"publicKey":"${IFS};$()"})j", "publicKey"},
      {R"({"publicKey":"a\nb"})", "publicKey"},
      {R"({"publicKey":")" + long_name + R"("})", "publicKey"},
      {nested, "publicKey"},
      {"{\"publicKey\":\"\xff\xfe\"}", "JSON object"},
      {R"({"publicKey":")" + std::string(kKey) + R"(","publicKey":")" + std::string(kKey) + R"("})", "publicKey"},
      {R"({"publicKey":")" + std::string(kKey) + R"(","presharedKey":"x"})", "presharedKey"},
      {R"({"publicKey":")" + std::string(kKey) + R"(","presharedKey":["x"]})", "presharedKey"},
      {R"({"publicKey":")" + std::string(kKey) + R"(","name":{}})", "name"},
      {R"({"publicKey":")" + std::string(kKey) + R"(","enabled":"true"})", "enabled"},
      {R"({"publicKey":")" + std::string(kKey) + R"(","clientIP":"10.0.0.1"})", "clientIP"},
      {R"({"publicKey":")" + std::string(kKey) + R"(","__proto__":"x"})", "__proto__"},
  };
  for (const auto& row : kRows) {
    const Answer answer = gateway.ask("POST", "/client", row.body);
    EXPECT_EQ(answer.status, 400) << row.body.substr(0, 80);
    EXPECT_EQ(answer.headers.at("content-type"), "application/json");
    EXPECT_THAT(message_of(answer), HasSubstr(row.named)) << row.body.substr(0, 80);
    EXPECT_LT(answer.body.size(), 400u);
  }
  gateway.on_strand([&] { EXPECT_TRUE(gateway.clients.clients.empty()); });
}

TEST(PostClient, PassesOnWhatTheServiceSays) {
  TestGateway gateway;
  EXPECT_EQ(gateway.ask("POST", "/client", kKeyBody).status, 200);
  const Answer twice = gateway.ask("POST", "/client", kKeyBody);
  EXPECT_EQ(twice.status, 409);
  EXPECT_EQ(message_of(twice), "The client with public key " + std::string(kKey) + " exists");

  gateway.on_strand([&] {
    gateway.clients.failure =
        Error{ErrorCode::kExhausted, "Maximum number of clients reached. The subnet holds 253 clients"};
  });
  const Answer full = gateway.ask("POST", "/client", kKeyBody);
  EXPECT_EQ(full.status, 507);
  EXPECT_THAT(message_of(full), HasSubstr("253"));
}

TEST(EveryChange, Is503WithRetryAfterWhileTheStoreFails) {
  TestGateway gateway;
  gateway.on_strand([&] { gateway.clients.failure = Error{ErrorCode::kUnavailable, "the disk is full"}; });
  for (const auto& [method, path] :
       {std::pair{"POST", "/client"}, {"DELETE", "/client"}, {"PUT", "/client/enable"}, {"PUT", "/client/disable"}}) {
    const Answer answer = gateway.ask(method, path, kKeyBody);
    EXPECT_EQ(answer.status, 503) << path;
    EXPECT_EQ(answer.headers.at("retry-after"), "2");
    EXPECT_EQ(message_of(answer), "the disk is full");
  }
  EXPECT_EQ(gateway.ask("GET", "/keys").status, 200) << "what needs no store goes on";
}

TEST(EveryChange, Is404ForAnUnknownKeyAnd400WithoutOne) {
  TestGateway gateway;
  for (const auto& [method, path] :
       {std::pair{"DELETE", "/client"}, {"PUT", "/client/enable"}, {"PUT", "/client/disable"}}) {
    const Answer unknown = gateway.ask(method, path, kKeyBody);
    EXPECT_EQ(unknown.status, 404);
    EXPECT_EQ(message_of(unknown), "Client with public key " + std::string(kKey) + " not found");
    EXPECT_EQ(gateway.ask(method, path, "{}").status, 400);
    EXPECT_EQ(gateway.ask(method, path, R"({"publicKey":"x"})").status, 400);
    EXPECT_EQ(gateway.ask(method, path, R"({"name":"alice"})").status, 400) << "no such field here";
  }
}

TEST(DeleteClient, AnswersAnEmpty200) {
  TestGateway gateway;
  gateway.ask("POST", "/client", kKeyBody);
  const Answer answer = gateway.ask("DELETE", "/client", kKeyBody);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("content-length"), "0");
  gateway.on_strand([&] { EXPECT_TRUE(gateway.clients.clients.empty()); });
}

TEST(EnableAndDisable, Answer204AndMayBeRepeated) {
  TestGateway gateway;
  gateway.ask("POST", "/client", kKeyBody);
  const PublicKey key = *PublicKey::parse(kKey);
  for (const bool enabled : {false, false, true, true}) {
    const Answer answer = gateway.ask("PUT", enabled ? "/client/enable" : "/client/disable", kKeyBody);
    EXPECT_EQ(answer.status, 204);
    EXPECT_FALSE(answer.headers.contains("content-length"));  // RFC 9110 section 8.6
    EXPECT_FALSE(answer.headers.contains("content-type"));
    gateway.on_strand([&] { EXPECT_EQ(gateway.clients.find(key)->enabled, enabled); });
  }
}

TEST(EveryChange, Answers415ForOtherContentTypes) {
  TestGateway gateway;
  for (const std::string_view headers :
       {"Content-Type: text/plain\r\n", "Content-Type: application/xml\r\n",
        "Content-Type: multipart/form-data; boundary=x\r\n", "Content-Type: application/json; charset=latin1\r\n",
        "Content-Type: application/json\r\nContent-Encoding: gzip\r\n"}) {
    const Answer answer = gateway.ask("POST", "/client", kKeyBody, headers);
    EXPECT_EQ(answer.status, 415) << headers;
    EXPECT_THAT(message_of(answer), HasSubstr("Content-Type must be application/json"));
  }
}

TEST(EveryChange, LeavesNoKeyInTheLog) {
  TestGateway gateway;
  gateway.ask("POST", "/client",
              R"({"publicKey":")" + std::string(kKey) + R"(","presharedKey":")" + std::string(kPsk) + R"("})");
  gateway.ask("POST", "/client", "{broken");
  gateway.ask("GET", "/keys");
  gateway.on_strand(
      [&] { EXPECT_THAT(gateway.logger.lines, testing::IsEmpty()) << "one line per request floods a log"; });
}

}  // namespace
}  // namespace vpn::control
