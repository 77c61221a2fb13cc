// What a gateway says of its own health, to those who may call and to strangers.
#include <gtest/gtest.h>

#include "control/api/test_gateway.h"

namespace vpn::control {
namespace {

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

}  // namespace
}  // namespace vpn::control
