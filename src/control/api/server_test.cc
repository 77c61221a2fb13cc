// Listeners, who may call, how many at once, and the end.
#include "control/api/server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <fstream>

#include "control/api/listener.h"
#include "control/api/router.h"
#include "control/api/test_gateway.h"

namespace vpn::control {
namespace {

using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::string_view kGetKeys = "GET /keys HTTP/1.1\r\nHost: localhost\r\n\r\n";
const std::string kBody = R"({"publicKey":"hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="})";

const std::string kAuthorization = "Authorization: Bearer " + std::string(TestGateway::kToken) + "\r\n";

void listen_publicly(ApiOptions& options) {
  options.address = IpAddress::v4(0);
  options.token = *BearerToken::parse(TestGateway::kToken);
}

TEST(ApiServer, AsksForATokenOnEveryRouteAndMethodOfAPublicListener) {
  TestGateway gateway(listen_publicly);
  for (const std::string prefix : {"", "/v1"}) {
    for (const std::string method : {"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "BREW"}) {
      for (const Route& route : routes()) {
        if (route.open) continue;
        const Answer answer = gateway.ask(method, prefix + std::string(route.path), method == "HEAD" ? "" : kBody);
        EXPECT_EQ(answer.status, 401) << method << ' ' << route.path;
        EXPECT_EQ(answer.headers.at("www-authenticate"), "Bearer realm=\"vpn-enabler\"");
      }
      EXPECT_EQ(gateway.ask(method, prefix + "/nothing").status, 401) << "a stranger learns no paths";
      EXPECT_EQ(gateway.ask(method, prefix + "/version/../keys").status, 401);
      EXPECT_EQ(gateway.ask(method, prefix + "/keys?/health").status, 401);
    }
    EXPECT_EQ(gateway.ask("GET", prefix + "/health").status, 200);
    EXPECT_EQ(gateway.ask("GET", prefix + "/version").status, 200);
  }
  gateway.on_strand([&] { EXPECT_TRUE(gateway.clients.clients.empty()); });
}

TEST(ApiServer, TakesTheRightTokenAndNoOther) {
  TestGateway gateway(listen_publicly);
  const auto status = [&](std::string_view authorization) {
    return gateway.ask("GET", "/keys", "", "Authorization: " + std::string(authorization) + "\r\n").status;
  };
  EXPECT_EQ(status("Bearer " + std::string(TestGateway::kToken)), 200);
  EXPECT_EQ(status("Bearer wrong-token-0123456789"), 401);
  EXPECT_EQ(status("Basic dXNlcjpwYXNz"), 401);
  EXPECT_EQ(status("Bearer " + std::string(TestGateway::kToken) + "\r\nAuthorization: Bearer x"), 400);
}

TEST(ApiServer, LetsEveryoneInWhenAuthIsOff) {
  TestGateway gateway([](ApiOptions& options) {
    options.address = IpAddress::v4(0);
    options.auth = AuthMode::kOff;
  });
  EXPECT_EQ(gateway.connect()
                .send("GET /keys HTTP/1.1\r\nHost: vpn.example\r\nOrigin: https://a.example\r\n\r\n")
                .receive()
                .status,
            200);
}

TEST(ApiServer, RefusesAPublicAddressWithoutAToken) {
  boost::asio::io_context io;
  FakeClients clients;
  tunnel::MemoryTunnel tunnel;
  SeededRandom random{1};
  ManualClock clock;
  NullLogger logger;
  const ApiBackend backend{clients, tunnel, random, clock, logger};
  const auto no_token = ApiServer::listen(io, {.address = IpAddress::v4(0), .port = 0}, backend, {});
  ASSERT_FALSE(no_token);
  EXPECT_EQ(no_token.error().field, "API_TOKEN");
  const auto no_address = ApiServer::listen(io, {.port = 0}, backend, {});
  ASSERT_FALSE(no_address);
  EXPECT_EQ(no_address.error().field, "API_ADDRESS");
}

TEST(ApiServer, SaysWhichListenerCannotBeOpened) {
  TestGateway gateway;
  const auto taken = listen_tcp(IpAddress::v4(0x7f000001), gateway.server().port());
  ASSERT_FALSE(taken);
  EXPECT_EQ(taken.error().code, ErrorCode::kUnavailable);
  EXPECT_EQ(taken.error().field, "API_PORT");
  EXPECT_THAT(taken.error().message, AllOf(StartsWith("API_PORT: "), HasSubstr("API_PORT=3001")));
  const auto foreign = listen_tcp(*IpAddress::parse("192.0.2.1"), 0);
  ASSERT_FALSE(foreign);
  EXPECT_EQ(foreign.error().field, "API_ADDRESS");
  EXPECT_EQ(foreign.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(foreign.error().message, AllOf(StartsWith("API_ADDRESS: "), HasSubstr("127.0.0.1")));
  const auto second = listen_unix(gateway.directory().socket_path());
  ASSERT_FALSE(second);
  EXPECT_EQ(second.error().code, ErrorCode::kAlreadyExists);
  EXPECT_EQ(gateway.connect_unix().send(kGetKeys).receive().status, 200) << "the first must live on";
  EXPECT_EQ(listen_unix(std::string(200, 'x')).error().code, ErrorCode::kInvalidArgument);
  const auto nowhere = listen_unix("/proc/none/api.sock");
  EXPECT_EQ(nowhere.error().field, "API_SOCKET");
  EXPECT_EQ(nowhere.error().code, ErrorCode::kInvalidArgument);
  EXPECT_THAT(nowhere.error().message, AllOf(StartsWith("API_SOCKET: "), HasSubstr("/run/vpn-enabler/api.sock")));
}

TEST(ApiServer, ServesIpv6Loopback) {
  TestGateway gateway([](ApiOptions& options) { options.address = *IpAddress::parse("::1"); });
  sockaddr_storage address{};
  const socklen_t size = Endpoint{*IpAddress::parse("::1"), gateway.server().port()}.to_sockaddr(address);
  const UniqueFd fd(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), size), 0);
}

TEST(UnixSocket, IsForItsOwnerAloneAndNeedsNoToken) {
  TestGateway gateway(listen_publicly);
  struct stat status{};
  ASSERT_EQ(::stat(gateway.directory().socket_path().c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  EXPECT_EQ(gateway.connect_unix().send("GET /keys HTTP/1.1\r\nHost: anything\r\nOrigin: x\r\n\r\n").receive().status,
            200);
}

TEST(UnixSocket, ReplacesWhatACrashLeftAndNothingElse) {
  const TemporaryDirectory directory;
  {
    const auto crashed = listen_unix(directory.socket_path());
    ASSERT_TRUE(crashed);
  }
  const auto again = listen_unix(directory.socket_path());
  ASSERT_TRUE(again) << again.error().message;
  ::unlink(directory.socket_path().c_str());
  std::ofstream(directory.socket_path()) << "precious";
  EXPECT_EQ(listen_unix(directory.socket_path()).error().code, ErrorCode::kAlreadyExists);
  std::string content;
  std::ifstream(directory.socket_path()) >> content;
  EXPECT_EQ(content, "precious");
}

TEST(UnixSocket, IsRemovedAtTheEnd) {
  auto gateway = std::make_unique<TestGateway>();
  struct stat status{};
  ASSERT_EQ(::stat(gateway->directory().socket_path().c_str(), &status), 0);
  gateway->on_strand([&] { gateway->server().stop([] {}); });
  EXPECT_EQ(::stat(gateway->directory().socket_path().c_str(), &status), -1);
}

TEST(UnixSocket, IsReachedWhenTcpIsFull) {
  TestGateway gateway([](ApiOptions& options) { options.limits.tcp_connections = 2; });
  RawClient first = gateway.connect();
  RawClient second = gateway.connect();
  EXPECT_EQ(first.send(kGetKeys).receive().status, 200);
  EXPECT_EQ(second.send(kGetKeys).receive().status, 200);

  RawClient third = gateway.connect();
  const Answer refused = third.receive();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.at("retry-after"), "2");
  EXPECT_EQ(refused.body, R"({"message":"too many connections; try again later"})");
  third.end_sending();
  EXPECT_TRUE(third.is_closed());
  EXPECT_EQ(gateway.connect_unix().send(kGetKeys).receive().status, 200);
}

TEST(ApiServer, LetsNoStrangersHoldEveryConnection) {
  TestGateway gateway([](ApiOptions& options) {
    listen_publicly(options);
    options.limits.tcp_connections = 4;
  });
  const std::string get_keys = TestGateway::request("GET", "/keys", "", kAuthorization);
  const std::string get_version = TestGateway::request("GET", "/version");
  RawClient caller = gateway.connect();
  EXPECT_EQ(caller.send(get_keys).receive().status, 200);
  EXPECT_EQ(caller.send(get_version).receive().status, 200);
  std::vector<RawClient> strangers;
  for (int i = 0; i < 3; ++i) {
    strangers.push_back(gateway.connect());
    EXPECT_EQ(strangers.back().send(get_version).receive().status, 200);
  }
  EXPECT_EQ(strangers[0].send(get_version).receive().status, 200) << "the second was heard of longest ago";

  RawClient newcomer = gateway.connect();
  EXPECT_EQ(newcomer.send(get_keys).receive().status, 200);
  EXPECT_TRUE(strangers[1].is_closed());
  EXPECT_EQ(strangers[0].send(get_version).receive().status, 200);
  EXPECT_EQ(caller.send(get_version).receive().status, 200) << "who has shown a token stays";
  EXPECT_EQ(gateway.counters().connections_displaced, 1u);

  // One that sends nothing, or half a request, is a stranger too.
  RawClient silent = gateway.connect();
  EXPECT_TRUE(strangers[2].is_closed());
  RawClient half = gateway.connect();
  half.send("GET /version HT");
  EXPECT_TRUE(strangers[0].is_closed());
  RawClient last = gateway.connect();
  EXPECT_TRUE(silent.is_closed());
  EXPECT_EQ(last.send(get_keys).receive().status, 200);
  EXPECT_EQ(gateway.counters().connections_refused, 0u);
}

TEST(ApiServer, Takes1024ConnectionsAnd503sTheNext) {
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  ASSERT_GE(files.rlim_max, 4096u) << "this test needs 4096 descriptors";
  files.rlim_cur = files.rlim_max;
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);

  TestGateway gateway;
  std::vector<RawClient> clients;
  for (int i = 0; i < 1024; ++i) {
    clients.push_back(gateway.connect());
    ASSERT_TRUE(clients.back().connected()) << i;
  }
  for (RawClient& client : clients) ASSERT_EQ(client.send(kGetKeys).receive().status, 200);
  // Twice as many as are told: the others are closed unheard, and the log has one line.
  std::vector<RawClient> more;
  for (int i = 0; i < 256; ++i) more.push_back(gateway.connect());
  EXPECT_EQ(more.front().receive().status, 503);
  EXPECT_EQ(more.back().receive().status, 0);
  gateway.on_strand([&] {
    EXPECT_EQ(gateway.server().counters().connections_refused, 256u);
    EXPECT_EQ(gateway.logger.lines.size(), 1u);
  });
  more.clear();
  clients.pop_back();
  while (gateway.ask("GET", "/version").status != 200) {
    // until the server has seen that one has left
  }
}

TEST(ApiServer, OutlivesALackOfDescriptors) {
  TestGateway gateway;
  gateway.ask("GET", "/version");
  rlimit files{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &files), 0);
  const int lowest_free = UniqueFd(::dup(0)).get();
  ASSERT_GE(lowest_free, 0);
  const rlimit one_more{.rlim_cur = static_cast<rlim_t>(lowest_free) + 1, .rlim_max = files.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &one_more), 0);
  RawClient client = gateway.connect();  // takes the last one: nothing is left for the server's end
  client.send(kGetKeys);
  bool warned = false;
  while (!warned) gateway.on_strand([&] { warned = !gateway.logger.lines.empty(); });
  EXPECT_EQ(gateway.counters().connections, 1u);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &files), 0);
  EXPECT_EQ(client.receive().status, 200);
}

TEST(Stop, AnswersWhatIsUnderWayAndTakesNoMore) {
  TestGateway gateway;
  gateway.on_strand([&] { gateway.clients.hold = true; });
  RawClient idle = gateway.connect();
  idle.send(kGetKeys).receive();
  RawClient waiting = gateway.connect();
  waiting.send(TestGateway::request("POST", "/client", kBody));
  RawClient half = gateway.connect();
  half.send("GET /keys HTTP/1.1\r\nHost: local");
  bool arrived = false;
  while (!arrived) gateway.on_strand([&] { arrived = !gateway.clients.held.empty(); });
  // By the time that a later connection is answered, the first half has been read.
  gateway.ask("GET", "/version");

  std::promise<void> stopped;
  gateway.on_strand([&] { gateway.server().stop([&] { stopped.set_value(); }); });
  EXPECT_TRUE(idle.is_closed());
  EXPECT_FALSE(gateway.connect().connected());
  gateway.on_strand([&] { gateway.clients.release(); });
  const Answer answer = waiting.receive();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_EQ(half.send("host\r\n\r\n").receive().status, 200);
  waiting.end_sending();
  half.end_sending();
  EXPECT_EQ(stopped.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
}

TEST(Stop, IsDoneAtOnceWithNobodyThere) {
  TestGateway gateway;
  std::promise<void> stopped;
  gateway.on_strand([&] { gateway.server().stop([&] { stopped.set_value(); }); });
  EXPECT_EQ(stopped.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
}

TEST(Stop, EndsInTimeWhateverACallerDoes) {
  TestGateway gateway([](ApiOptions& options) {
    options.limits.answer_time = milliseconds(100);
    options.limits.stop_time = milliseconds(100);
  });
  RawClient half = gateway.connect();
  half.send("GET /keys HTTP/1.1\r\nHost: local");
  // By the time that a later connection is answered, the half has been read.
  gateway.ask("GET", "/version");
  const auto start = std::chrono::steady_clock::now();
  std::promise<void> stopped;
  gateway.on_strand([&] { gateway.server().stop([&] { stopped.set_value(); }); });
  EXPECT_EQ(stopped.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(2));
  EXPECT_TRUE(half.is_closed());
}

TEST(Stop, AnswersInTimeThatAnEndIsNotKnown) {
  TestGateway gateway([](ApiOptions& options) { options.limits.answer_time = milliseconds(100); });
  std::vector<RawClient> waiting;
  gateway.on_strand([&] { gateway.clients.hold = true; });
  for (const char* method : {"POST", "DELETE"}) {
    waiting.push_back(gateway.connect());
    waiting.back().send(TestGateway::request(method, "/client", kBody));
    bool arrived = false;
    while (!arrived) gateway.on_strand([&] { arrived = gateway.clients.held.size() == waiting.size(); });
  }
  std::promise<void> stopped;
  gateway.on_strand([&] { gateway.server().stop([&] { stopped.set_value(); }); });
  for (RawClient& client : waiting) {
    const Answer answer = client.receive();
    EXPECT_EQ(answer.status, 503);
    EXPECT_TRUE(answer.headers.contains("retry-after"));
    EXPECT_NE(answer.body.find("is not known"), std::string::npos) << answer.body;
    client.end_sending();
  }
  EXPECT_EQ(stopped.get_future().wait_for(std::chrono::seconds(5)), std::future_status::ready);
  // The service answers when nobody is there any more.
  gateway.on_strand([&] { gateway.clients.release(); });
}

TEST(Stop, LeavesNothingBehindWhenTheServerGoesBeforeTheService) {
  auto gateway = std::make_unique<TestGateway>();
  gateway->on_strand([&] { gateway->clients.hold = true; });
  RawClient waiting = gateway->connect();
  waiting.send(TestGateway::request("POST", "/client", kBody));
  bool arrived = false;
  while (!arrived) gateway->on_strand([&] { arrived = !gateway->clients.held.empty(); });
  gateway.reset();
  EXPECT_TRUE(waiting.is_closed());
}

}  // namespace
}  // namespace vpn::control
