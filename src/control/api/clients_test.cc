// The list of clients over a real socket: whole and bounded, however long it is.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <boost/json.hpp>

#include "base/encoding.h"
#include "control/api/test_gateway.h"

namespace vpn::control {
namespace {

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

}  // namespace
}  // namespace vpn::control
