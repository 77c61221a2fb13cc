// Every route over a real socket: the answer, byte by byte, and every row of the table of bad input.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "base/encoding.h"
#include "control/api/router.h"
#include "control/api/test_gateway.h"
#include "control/service/test_freed_memory.h"
#include "engine/crypto/x25519.h"

namespace vpn::control {
namespace {

using testing::HasSubstr;

constexpr std::string_view kKey = "hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo=";
constexpr std::string_view kPsk = "FpCyhws9cxwWoV4xELtfJvjJN+zQVRPISllRWgeopVE=";
const std::string kKeyBody = R"({"publicKey":")" + std::string(kKey) + R"("})";

std::string message_of(const Answer& answer) {
  boost::system::error_code error;
  const auto value = boost::json::parse(answer.body, error);
  if (error || !value.is_object() || value.as_object().size() != 1 || !value.as_object().contains("message")) {
    return "no {\"message\": ...} but: " + answer.body;
  }
  return std::string(value.as_object().at("message").as_string());
}

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

TEST(GetKeys, MakesAPairThatBelongsTogether) {
  TestGateway gateway;
  const Answer answer = gateway.ask("GET", "/keys");
  EXPECT_EQ(answer.status, 200);
  const auto keys = boost::json::parse(answer.body).as_object();
  ASSERT_EQ(answer.body.size(),
            std::string_view(R"({"public":"","private":"","preshared":""})").size() + 3 * kKeyTextSize);
  EXPECT_TRUE(answer.body.starts_with(R"({"public":")"));
  const auto private_key = PrivateKey::parse(std::string_view(keys.at("private").as_string()));
  ASSERT_TRUE(private_key);
  EXPECT_EQ(to_string(engine::crypto::derive_public_key(*private_key)),
            std::string_view(keys.at("public").as_string()));
  EXPECT_TRUE(PresharedKey::parse(std::string_view(keys.at("preshared").as_string())));
  EXPECT_EQ(answer.headers.at("cache-control"), "no-store");
  EXPECT_NE(gateway.ask("GET", "/keys").body, answer.body);
}

TEST(GetVersion, AnswersAsTheOriginalDoes) {
  TestGateway gateway;
  for (const auto path : {"/version", "/v1/version"}) {
    EXPECT_EQ(gateway.ask("GET", path).body, R"({"enabler":"VPN enabler","version":"2.0.0"})");
  }
}

TEST(GetHealth, TellsTheStateAndTheWordsOnlyToThoseWhoMayCall) {
  TestGateway gateway;
  const Answer well = gateway.ask("GET", "/health");
  EXPECT_EQ(well.status, 200);
  EXPECT_EQ(well.body, R"({"status":"ok","store":"ok","tunnel":"ok"})");

  gateway.on_strand([&] {
    gateway.clients.health_now.store_ok = false;
    gateway.clients.health_now.store_detail = "disk full";
  });
  const Answer failing = gateway.ask("GET", "/health");
  EXPECT_EQ(failing.status, 503);
  EXPECT_EQ(failing.body, R"({"status":"failing","store":"failing","tunnel":"ok","message":"disk full"})");
  const Answer stranger = gateway.ask("GET", "/health", "", "Origin: http://evil.example\r\n");
  EXPECT_EQ(stranger.body, R"({"status":"failing","store":"failing","tunnel":"ok"})");
}

TEST(GetHealth, TellsThatPacketsDoNotFlow) {
  Status machine;
  TestGateway gateway({}, [&machine] { return machine; });
  EXPECT_EQ(gateway.ask("GET", "/health").status, 200);
  gateway.on_strand([&] { machine = vpn::fail(ErrorCode::kUnavailable, "wg0 is down"); });
  const Answer down = gateway.ask("GET", "/health");
  EXPECT_EQ(down.status, 503);
  EXPECT_EQ(down.body, R"({"status":"failing","store":"ok","tunnel":"failing","message":"wg0 is down"})");
  gateway.on_strand([&] { machine = {}; });
  gateway.tunnel.set_ready(vpn::fail(ErrorCode::kUnavailable, "UDP port 51820 is taken"));
  const Answer deaf = gateway.ask("GET", "/health");
  EXPECT_EQ(deaf.status, 503);
  EXPECT_EQ(deaf.body, R"({"status":"failing","store":"ok","tunnel":"failing","message":"UDP port 51820 is taken"})");
}

TEST(GetHealth, TellsSinceWhenWhatIsReadMayBeStaleAndTheFaultsToThoseWhoMayCall) {
  TestGateway gateway;
  gateway.on_strand([&] { gateway.clients.health_now.faults = {"document \"7\": no key", "and 3 more"}; });
  const Answer faulty = gateway.ask("GET", "/health");
  EXPECT_EQ(faulty.status, 200) << "the rest is served";
  EXPECT_EQ(faulty.body,
            R"({"status":"ok","store":"ok","tunnel":"ok","faults":["document \"7\": no key","and 3 more"]})");

  gateway.on_strand([&] {
    gateway.clients.health_now.store_ok = false;
    gateway.clients.health_now.store_detail = "no primary";
    gateway.clients.health_now.stale_since = WallTime(std::chrono::milliseconds(1'700'000'000'900));
  });
  const Answer stranger = gateway.ask("GET", "/health", "", "Origin: http://evil.example\r\n");
  EXPECT_EQ(stranger.status, 503);
  EXPECT_EQ(stranger.body, R"({"status":"failing","store":"failing","tunnel":"ok","staleSince":1700000000})");
}

TEST(GetHealthReady, IsWellWhileClientsAreServedThoughTheStoreIsAway) {
  TestGateway gateway;
  gateway.on_strand([&] {
    gateway.clients.health_now.store_ok = false;
    gateway.clients.health_now.store_detail = "no primary";
  });
  const Answer away = gateway.ask("GET", "/health/ready");
  EXPECT_EQ(away.status, 200) << "tunnels go on";
  EXPECT_EQ(away.body, R"({"status":"ok","store":"failing","tunnel":"ok","message":"no primary"})");

  gateway.on_strand([&] { gateway.clients.readiness = vpn::fail(ErrorCode::kUnavailable, "not loaded yet"); });
  EXPECT_EQ(gateway.ask("GET", "/health/ready").status, 503) << "no client is served yet";
}

TEST(GetHealthReady, IsNotWellWhileTheTunnelIsNotWhatIsStored) {
  TestGateway gateway;
  gateway.on_strand([&] { gateway.clients.health_now.tunnel_ok = false; });
  const Answer failing = gateway.ask("GET", "/v1/health/ready");
  EXPECT_EQ(failing.status, 503);
  EXPECT_EQ(failing.body, R"({"status":"failing","store":"ok","tunnel":"failing","message":""})");
}

TEST(GetHealthLive, IsWellWhateverFails) {
  TestGateway gateway;
  gateway.on_strand([&] {
    gateway.clients.readiness = vpn::fail(ErrorCode::kUnavailable, "not loaded yet");
    gateway.clients.health_now.store_ok = gateway.clients.health_now.tunnel_ok = false;
  });
  const Answer answer = gateway.ask("GET", "/health/live");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.body, R"({"status":"ok"})");
}

TEST(EveryRead, Is503UntilTheClientsAreKnown) {
  TestGateway gateway;
  gateway.on_strand([&] {
    gateway.clients.readiness = vpn::fail(ErrorCode::kUnavailable, "The clients are not loaded yet: no primary");
  });
  for (const auto path : {"/clients", "/clients?name=anna", "/info", "/info/conf"}) {
    const Answer answer = gateway.ask("GET", path);
    EXPECT_EQ(answer.status, 503) << path;
    EXPECT_EQ(answer.headers.at("retry-after"), "2");
    EXPECT_EQ(answer.body, R"({"message":"The clients are not loaded yet: no primary"})");
  }
  EXPECT_EQ(gateway.ask("GET", "/keys").status, 200);
  EXPECT_EQ(gateway.ask("GET", "/version").status, 200);
}

TEST(GetInfo, PrintsWhatWgPrints) {
  TestGateway gateway;
  std::array<std::uint8_t, kKeySize> secret;
  secret.fill(9);
  ASSERT_TRUE(gateway.tunnel.configure({PrivateKey(secret), 51820}));
  const Answer info = gateway.ask("GET", "/info");
  EXPECT_EQ(info.status, 200);
  EXPECT_EQ(info.headers.at("content-type"), "text/plain; charset=utf-8");
  EXPECT_THAT(info.body, testing::StartsWith("interface: wg0\n"));
  EXPECT_EQ(info.body.find(key_text(9)), std::string::npos);
  const Answer conf = gateway.ask("GET", "/info/conf");
  EXPECT_THAT(conf.body, testing::StartsWith("[Interface]\n"));
  EXPECT_THAT(conf.body, HasSubstr("PrivateKey = " + key_text(9)));
  EXPECT_EQ(conf.headers.at("cache-control"), "no-store");

  gateway.tunnel.fail_next(1, Error{ErrorCode::kUnavailable, "the interface is gone"});
  EXPECT_EQ(gateway.ask("GET", "/info").status, 503);
}

TEST(GetInfo, StreamsManyPeersWhole) {
  TestGateway gateway;
  tunnel::Delta delta;
  for (std::uint32_t i = 1; i <= 1'000; ++i) store_le32(delta.set.emplace_back().public_key.bytes.data(), i);
  ASSERT_TRUE(gateway.tunnel.apply(delta));
  for (const auto path : {"/info", "/info/conf"}) {
    const Answer answer = gateway.ask("GET", path);
    EXPECT_EQ(answer.headers.at("transfer-encoding"), "chunked");
    EXPECT_EQ(answer.headers.at("content-type"), "text/plain; charset=utf-8");
    for (const tunnel::Peer& peer : delta.set) EXPECT_THAT(answer.body, HasSubstr(to_string(peer.public_key)));
  }
}

TEST(GetClients, ListsStoredStateAndTunnelState) {
  TestGateway gateway;
  EXPECT_EQ(gateway.ask("GET", "/clients").body, "[]");
  gateway.ask("POST", "/client", R"({"publicKey":")" + key_text(1) + R"(","name":"a\"b"})");
  gateway.ask("POST", "/client", R"({"publicKey":")" + key_text(2) + R"("})");
  gateway.ask("PUT", "/client/disable", R"({"publicKey":")" + key_text(2) + R"("})");
  const PublicKey key = *PublicKey::parse(key_text(1));
  ASSERT_TRUE(gateway.tunnel.apply({{{key, {}, {*IpPrefix::parse("192.168.2.2/32")}, 25}}, {}}));
  gateway.tunnel.learn(key, *Endpoint::parse("203.0.113.7:51820"), WallTime(std::chrono::seconds(1'700'000'060)));
  gateway.tunnel.add_traffic(key, 100, 200);

  const std::string first = R"({"name":"a\"b","publicKey":")" + key_text(1) +
                            R"(","clientIP":"192.168.2.2/32","enabled":true,"allowedIPs":"0.0.0.0/0,::/0",)"
                            R"("createdAt":1700000000,"endpoint":"203.0.113.7:51820","lastHandshake":1700000060,)"
                            R"("rxBytes":100,"txBytes":200})";
  const std::string second = R"({"name":"","publicKey":")" + key_text(2) +
                             R"(","clientIP":"192.168.2.3/32","enabled":false,"allowedIPs":"0.0.0.0/0,::/0",)"
                             R"("createdAt":1700000000,"endpoint":null,"lastHandshake":null,"rxBytes":0,"txBytes":0})";
  EXPECT_EQ(gateway.ask("GET", "/clients").body, "[" + first + "," + second + "]");
  EXPECT_EQ(gateway.ask("GET", "/clients?name=a%22b").body, "[" + first + "]");
  EXPECT_EQ(gateway.ask("GET", "/clients?publicKey=AgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgI%3D").body,
            "[" + second + "]");
  EXPECT_EQ(gateway.ask("GET", "/clients?name=nobody").body, "[]");
  EXPECT_EQ(gateway.ask("GET", "/clients?name=").body, "[]");
  EXPECT_EQ(gateway.ask("GET", "/clients?nmae=alice").status, 400) << "a mistyped filter must not list everyone";
  EXPECT_EQ(gateway.ask("GET", "/clients?publicKey=x").status, 400);
  EXPECT_EQ(gateway.ask("GET", "/clients?name=%ff").status, 400);
}

TEST(GetClients, SaysWhoIsEnabledAndYetNotServed) {
  TestGateway gateway;
  gateway.on_strand([&] { gateway.clients.obstacle_of_all = "its address is the gateway's own"; });
  gateway.ask("POST", "/client", R"({"publicKey":")" + key_text(1) + R"("})");
  const auto row = [&] { return boost::json::parse(gateway.ask("GET", "/clients").body).at(0).as_object(); };
  EXPECT_EQ(row().at("served"), false);
  EXPECT_EQ(row().at("reason"), "its address is the gateway's own");
  const auto one =
      boost::json::parse(gateway.ask("GET", "/clients?publicKey=AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE%3D").body);
  EXPECT_EQ(one.at(0), row());
  gateway.ask("PUT", "/client/disable", R"({"publicKey":")" + key_text(1) + R"("})");
  EXPECT_FALSE(row().contains("served")) << "nobody expects that it is";

  gateway.on_strand([&] { gateway.clients.failure = Error{ErrorCode::kConflict, "cannot be served"}; });
  const Answer refused = gateway.ask("PUT", "/client/enable", R"({"publicKey":")" + key_text(1) + R"("})");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(message_of(refused), "cannot be served");
}

void add_clients(TestGateway& gateway, std::uint32_t count) {
  gateway.on_strand([&] {
    for (std::uint32_t i = 0; i < count; ++i) {
      Client client{.public_key = {},
                    .preshared_key = {},
                    .address = IpAddress::v4(0x0a000002 + i),
                    .allowed_ips = "0.0.0.0/0",
                    .name = "client-" + std::to_string(i),
                    .enabled = true,
                    .created_at = {}};
      store_le32(client.public_key.bytes.data(), i + 1);
      gateway.clients.insert(client);
    }
  });
}

TEST(GetClients, StreamsALongListWholeAndInOrder) {
  TestGateway gateway;
  add_clients(gateway, 2'000);
  const Answer answer = gateway.ask("GET", "/clients");
  EXPECT_EQ(answer.headers.at("transfer-encoding"), "chunked");
  const auto list = boost::json::parse(answer.body).as_array();
  ASSERT_EQ(list.size(), 2'000u);
  EXPECT_EQ(list.front().at("clientIP"), "10.0.0.2/32");
  EXPECT_EQ(list.back().at("name"), "client-1999");

  RawClient old = gateway.connect();
  const Answer unchunked =
      old.send("GET /clients HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n").receive();
  EXPECT_FALSE(unchunked.headers.contains("transfer-encoding"));
  EXPECT_EQ(unchunked.headers.at("connection"), "close");
  EXPECT_EQ(unchunked.body, answer.body);
}

TEST(GetClients, BoundsTheLongAnswersUnderWay) {
  TestGateway gateway([](ApiOptions& options) { options.limits.bulk_answers = 1; });
  add_clients(gateway, 30'000);  // far more than socket buffers hold, so that an answer nobody reads stays under way
  RawClient unread = gateway.connect();
  unread.send(TestGateway::request("GET", "/clients"));
  char first;
  ASSERT_EQ(::recv(unread.fd(), &first, 1, MSG_PEEK), 1);
  const Answer second = gateway.ask("GET", "/clients");
  EXPECT_EQ(second.status, 503);
  EXPECT_EQ(gateway.ask("GET", "/clients?name=client-1").status, 200) << "one client is no long answer";
  EXPECT_EQ(gateway.connect_unix().send(TestGateway::request("GET", "/clients")).receive().status, 200)
      << "the administrator has places of his own";
  EXPECT_EQ(second.headers.at("retry-after"), "1");
  EXPECT_EQ(unread.receive().status, 200);
  EXPECT_EQ(gateway.ask("GET", "/info").status, 200) << "the place is free again";
}

TEST(GetClients, LeavesOutWhoIsRemovedMeanwhile) {
  TestGateway gateway;
  add_clients(gateway, 30'000);
  RawClient reader = gateway.connect();
  reader.send(TestGateway::request("GET", "/clients"));
  char first;
  ASSERT_EQ(::recv(reader.fd(), &first, 1, MSG_PEEK), 1);
  gateway.on_strand([&] { gateway.clients.clear(); });
  const Answer answer = reader.receive();
  EXPECT_LT(boost::json::parse(answer.body).as_array().size(), 30'000u);
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

TEST(EveryRequest, LeavesNoKeyInFreedMemory) {
  TestGateway gateway([](ApiOptions& options) { options.token = *BearerToken::parse(TestGateway::kToken); });
  const std::string psk = key_text(9);
  std::array<std::uint8_t, kKeySize> secret;
  secret.fill(8);
  ASSERT_TRUE(gateway.tunnel.configure({PrivateKey(secret), 51820}));
  FreedMemoryWatch watch(
      {psk.substr(0, 16), key_text(8).substr(0, 16), R"("private":")", std::string(TestGateway::kToken)});
  gateway.on_strand([&] { watch.start(); });

  const std::string token = "Authorization: Bearer " + std::string(TestGateway::kToken) + "\r\n";
  const std::string json = token + "Content-Type: application/json\r\n";
  const auto body = [&](std::uint8_t number, std::string_view key) {
    return R"({"publicKey":")" + key_text(number) + R"(","presharedKey":")" + std::string(key) + R"("})";
  };
  EXPECT_EQ(gateway.ask("POST", "/client", body(1, psk), json).status, 200);
  EXPECT_EQ(gateway.ask("POST", "/client", body(2, "\\u0043" + psk.substr(1)), json).status, 200) << "in two parts";
  EXPECT_EQ(gateway.ask("POST", "/client", body(1, psk), json).status, 409);
  EXPECT_EQ(gateway.ask("POST", "/client", body(3, psk + "x"), json).status, 400);
  EXPECT_EQ(gateway
                .ask("POST", "/client", "presharedKey=" + psk.substr(0, 43) + "%3D&nme=x",
                     token + "Content-Type: application/x-www-form-urlencoded\r\n")
                .status,
            400);
  // A header and a chunked body that make buffers grow.
  EXPECT_EQ(gateway.ask("GET", "/keys", "", token + "X: " + std::string(9'000, 'x') + "\r\n").status, 200);
  RawClient chunked = gateway.connect();
  chunked.send("POST /client HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n" + token + "\r\n");
  for (const std::string& piece : {body(4, psk), std::string(500, ' '), std::string(5'000, ' ')}) {
    std::array<char, 16> size{};
    std::snprintf(size.data(), size.size(), "%zx\r\n", piece.size());
    chunked.send(size.data() + piece + "\r\n");
  }
  EXPECT_EQ(chunked.send("0\r\n\r\n").receive().status, 200);
  chunked.end_sending();
  EXPECT_EQ(gateway.ask("GET", "/info/conf", "", token).status, 200);
  for (const auto path : {"/keys", "/info/conf"}) EXPECT_EQ(gateway.ask("HEAD", path, "", token).status, 200);

  std::promise<void> stopped;
  gateway.on_strand([&] { gateway.server().stop([&] { stopped.set_value(); }); });
  stopped.get_future().wait();
  gateway.on_strand([&] { watch.stop(); });
  EXPECT_GT(watch.blocks(), 100u);
  EXPECT_EQ(watch.finds(), 0u);
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
