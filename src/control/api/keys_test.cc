// The keys that are made for a client, and that no key of anybody stays in memory.
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "control/api/test_gateway.h"
#include "control/service/test_freed_memory.h"
#include "engine/crypto/x25519.h"

namespace vpn::control {
namespace {

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

}  // namespace
}  // namespace vpn::control
