// What `wg` would print, over a real socket, and what every read says before the clients are known.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/encoding.h"
#include "control/api/test_gateway.h"

namespace vpn::control {
namespace {

using testing::HasSubstr;

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

}  // namespace
}  // namespace vpn::control
