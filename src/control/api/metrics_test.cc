// /metrics over a real socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control/api/test_gateway.h"

namespace vpn::control {
namespace {

using testing::HasSubstr;

TEST(GetMetrics, CountsClientsAnswersAndConnections) {
  TestGateway gateway;
  gateway.ask("POST", "/client", R"({"publicKey":")" + key_text(1) + R"(","name":"anna"})");
  gateway.ask("POST", "/client", R"({"publicKey":")" + key_text(2) + R"("})");
  gateway.ask("PUT", "/client/disable", R"({"publicKey":")" + key_text(2) + R"("})");
  gateway.ask("POST", "/client", "{");

  const Answer answer = gateway.ask("GET", "/metrics");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_THAT(answer.body, HasSubstr("# TYPE vpn_enabler_info gauge\n"
                                     "vpn_enabler_info{version=\"2.0.0\",tunnel=\"memory\"} 1\n"));
  EXPECT_THAT(answer.body, HasSubstr("# TYPE vpn_enabler_clients gauge\n"
                                     "vpn_enabler_clients{state=\"enabled\"} 1\n"
                                     "vpn_enabler_clients{state=\"disabled\"} 1\n"));
  EXPECT_THAT(answer.body, HasSubstr("# TYPE vpn_enabler_api_answers_total counter\n"
                                     "vpn_enabler_api_answers_total{result=\"ok\"} 3\n"
                                     "vpn_enabler_api_answers_total{result=\"caller_fault\"} 1\n"
                                     "vpn_enabler_api_answers_total{result=\"server_fault\"} 0\n"));
  EXPECT_THAT(answer.body, HasSubstr("vpn_enabler_store_up 1\n"));
  EXPECT_THAT(answer.body, HasSubstr("vpn_enabler_tunnel_up 1\n"));
  EXPECT_THAT(answer.body, testing::Not(HasSubstr("anna")));
}

TEST(GetMetrics, TellsAStoreThatIsAwayAndClientsThatAreNotKnownYet) {
  TestGateway gateway;
  gateway.on_strand([&] {
    gateway.clients.health_now.store_ok = false;
    gateway.clients.readiness = fail(ErrorCode::kUnavailable, "not yet");
  });
  const Answer answer = gateway.ask("GET", "/metrics");
  EXPECT_EQ(answer.status, 200);
  EXPECT_THAT(answer.body, HasSubstr("vpn_enabler_store_up 0\n"));
  EXPECT_THAT(answer.body, testing::Not(HasSubstr("vpn_enabler_clients")));
}

}  // namespace
}  // namespace vpn::control
