// HTTP itself, byte by byte: framing, limits, connections.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include "control/api/test_gateway.h"

namespace vpn::control {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

const std::string kBody = R"({"publicKey":"hSDwCYkwp1R0i33ctD73Wg2/Og0mOBr066SpjqqbTmo="})";
constexpr std::string_view kGet = "GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n";

std::string post(std::string_view headers, std::string_view body) {
  std::string text = "POST /client HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n";
  return text.append(headers).append("\r\n").append(body);
}

TEST(Http, KeepsAConnectionForManyRequests) {
  TestGateway gateway;
  RawClient client = gateway.connect();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(client.send(kGet).receive().status, 200);
  EXPECT_EQ(gateway.counters().connections, 1u);
}

TEST(Http, AnswersPipelinedRequestsInOrder) {
  TestGateway gateway;
  RawClient client = gateway.connect();
  const std::string head = "HEAD /keys HTTP/1.1\r\nHost: localhost\r\n\r\n";
  client.send(std::string(kGet) + post("Content-Length: " + std::to_string(kBody.size()) + "\r\n", kBody) + head +
              "GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n" + std::string(kGet));
  EXPECT_EQ(client.receive().status, 200);
  EXPECT_THAT(client.receive().body, HasSubstr("Peer added successfully"));
  EXPECT_EQ(client.receive(true).status, 200);
  EXPECT_EQ(client.receive().status, 404);
  EXPECT_THAT(client.receive().body, HasSubstr("VPN enabler"));
}

TEST(Http, ReadsARequestThatComesByteByByte) {
  TestGateway gateway;
  RawClient client = gateway.connect();
  const std::string chunked =
      post("Transfer-Encoding: chunked\r\n", "5;ext=\"v\"\r\n" + kBody.substr(0, 5) + "\r\n" + "37\r\n" +
                                                 kBody.substr(5, 0x37) + "\r\n0\r\nTrailer: x\r\n\r\n");
  const int on = 1;
  ::setsockopt(client.fd(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  for (const char byte : chunked) client.send({&byte, 1});
  const Answer answer = client.receive();
  EXPECT_EQ(answer.status, 200) << answer.body;
  EXPECT_EQ(client.send(kGet).receive().status, 200);
}

TEST(Http, ReadsChunkedBodies) {
  TestGateway gateway;
  std::array<char, 8> size{};
  std::snprintf(size.data(), size.size(), "%zx", kBody.size());
  EXPECT_EQ(
      gateway.connect()
          .send(post("Transfer-Encoding: chunked\r\n", std::string(size.data()) + "\r\n" + kBody + "\r\n0\r\n\r\n"))
          .receive()
          .status,
      200);
}

TEST(Http, AnswersHttp10AndClosesUnlessAskedNotTo) {
  TestGateway gateway;
  RawClient client = gateway.connect();
  const Answer answer = client.send("GET /version HTTP/1.0\r\nHost: localhost\r\n\r\n").receive();
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_TRUE(client.is_closed());

  RawClient kept = gateway.connect();
  const std::string_view keep = "GET /version HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n";
  EXPECT_EQ(kept.send(keep).receive().headers.at("connection"), "keep-alive");
  EXPECT_EQ(kept.send(keep).receive().status, 200);
}

TEST(Http, ClosesWhenAskedTo) {
  TestGateway gateway;
  RawClient client = gateway.connect();
  const Answer answer = client.send("GET /version HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").receive();
  EXPECT_EQ(answer.headers.at("connection"), "close");
  EXPECT_TRUE(client.is_closed());
}

TEST(Http, AnswersACallerThatHasEndedItsSide) {
  TestGateway gateway;
  RawClient client = gateway.connect();
  client.send(kGet).end_sending();
  EXPECT_EQ(client.receive().status, 200);
  EXPECT_TRUE(client.is_closed());
}

TEST(Http, TellsAWaitingCallerToContinue) {
  TestGateway gateway;
  RawClient client = gateway.connect();
  client.send(post("Expect: 100-continue\r\nContent-Length: " + std::to_string(kBody.size()) + "\r\n", ""));
  EXPECT_EQ(client.receive().status, 100);
  EXPECT_EQ(client.send(kBody).receive().status, 200);
}

TEST(Http, RefusesBeforeTheBodyWhenTheCallerWaits) {
  TestGateway gateway;
  RawClient client = gateway.connect();
  client.send("POST /nothing HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n");
  const Answer answer = client.receive();
  EXPECT_EQ(answer.status, 404);
  EXPECT_EQ(answer.headers.at("connection"), "close");
  client.end_sending();
  EXPECT_TRUE(client.is_closed());
}

TEST(Http, TakesAnAbsoluteTargetAndItsAuthorityForTheHost) {
  TestGateway gateway;
  EXPECT_EQ(
      gateway.connect().send("GET http://localhost:3000/keys HTTP/1.1\r\nHost: localhost\r\n\r\n").receive().status,
      200);
  EXPECT_EQ(gateway.connect().send("GET http://evil.example/keys HTTP/1.1\r\nHost: localhost\r\n\r\n").receive().status,
            403);
}

TEST(Http, RefusesWhatIsNoRequest) {
  TestGateway gateway;
  for (const std::string_view text :
       {"hello\r\n\r\n", "GET /version\r\n\r\n", "GET /version HTTP/2.0\r\n\r\n",
        "GET /version HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n", "GET /version HTTP/1.1\r\nHost : a\r\n\r\n",
        "GET /version HTTP/1.1\r\n\r\n", "GET  /version HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /version HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "GET /version HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n",
        "\x16\x03\x01\x02\x01\x01\xfc\x03\x03\r\n\r\n", "GET http:///version HTTP/1.1\r\nHost: a\r\n\r\n"}) {
    RawClient client = gateway.connect();
    const Answer answer = client.send(text).receive();
    EXPECT_EQ(answer.status, 400) << text;
    EXPECT_THAT(answer.body, testing::StartsWith(R"({"message":)"));
    client.end_sending();
    EXPECT_TRUE(client.is_closed()) << text;
  }
}

// Two programs that see the end of a body at different places can be made to see different requests (RFC 9112
// section 11.2).
TEST(Http, RefusesAmbiguousFraming) {
  TestGateway gateway;
  for (const std::string_view headers :
       {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n", "Content-Length: 5, 6\r\n", "Content-Length: -1\r\n",
        "Content-Length: +5\r\n", "Content-Length: 0x5\r\n", "Content-Length: 99999999999999999999\r\n",
        "Content-Length: \r\n", "Transfer-Encoding: gzip\r\n", "Transfer-Encoding: gzip, chunked\r\n",
        "Transfer-Encoding: chunked, identity\r\n", "Transfer-Encoding: xchunked\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"}) {
    RawClient client = gateway.connect();
    EXPECT_EQ(client.send(post(headers, "0\r\n\r\n")).receive().status, 400) << headers;
    client.end_sending();
    EXPECT_TRUE(client.is_closed()) << headers;
  }
  EXPECT_EQ(gateway.connect()
                .send("POST /client HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
                .receive()
                .status,
            400);
}

TEST(Http, RefusesBrokenChunks) {
  TestGateway gateway;
  for (const std::string_view body : {"x\r\n", "5\r\nabcdefg\r\n", "-1\r\n", "5 x\r\nabcde\r\n", "\r\n"}) {
    EXPECT_EQ(gateway.connect().send(post("Transfer-Encoding: chunked\r\n", body)).receive().status, 400) << body;
  }
}

TEST(Http, BoundsTheBody) {
  TestGateway gateway;
  const std::string padded = kBody + std::string(65536 - kBody.size(), ' ');
  EXPECT_EQ(gateway.connect().send(post("Content-Length: 65536\r\n", padded)).receive().status, 200);

  RawClient declared = gateway.connect();
  const Answer answer = declared.send(post("Content-Length: 65537\r\n", padded + " ")).receive();
  EXPECT_EQ(answer.status, 413);
  EXPECT_EQ(answer.body, R"({"message":"the request's body is too large"})");
  EXPECT_EQ(answer.headers.at("connection"), "close");

  std::string chunks;
  for (int i = 0; i < 17; ++i) chunks += "1000\r\n" + std::string(0x1000, ' ') + "\r\n";
  EXPECT_EQ(gateway.connect().send(post("Transfer-Encoding: chunked\r\n", chunks)).receive().status, 413);
}

TEST(Http, BoundsTheHeader) {
  TestGateway gateway;
  const auto get = [](std::size_t header_bytes) {
    const std::string start = "GET /version HTTP/1.1\r\nHost: localhost\r\nX: ";
    return start + std::string(header_bytes - start.size() - 4, 'x') + "\r\n\r\n";
  };
  EXPECT_EQ(gateway.connect().send(get(16384)).receive().status, 200);
  RawClient client = gateway.connect();
  const Answer answer = client.send(get(16385)).receive();
  EXPECT_EQ(answer.status, 431);
  EXPECT_EQ(answer.body, R"({"message":"the request's header is too large"})");
  EXPECT_EQ(gateway.connect().send(get(100'000)).receive().status, 431);

  // Neither part is over the limit alone.
  const std::string split = "GET /" + std::string(10'000, 'p') +
                            " HTTP/1.1\r\nHost: localhost\r\nX: " + std::string(10'000, 'x') + "\r\n\r\n";
  EXPECT_EQ(gateway.connect().send(split).receive().status, 431);
  std::string many = "GET /version HTTP/1.1\r\nHost: localhost\r\n";
  for (int i = 0; i < 5'000; ++i) many += "A: b\r\n";
  EXPECT_EQ(gateway.connect().send(many).receive().status, 431);
  EXPECT_EQ(gateway.connect().send("GET /" + std::string(50'000, 'p')).receive().status, 431);
}

TEST(Http, BoundsChunkHeadersAndTrailers) {
  TestGateway gateway;
  EXPECT_EQ(
      gateway.connect().send(post("Transfer-Encoding: chunked\r\n", "5;" + std::string(50'000, 'e'))).receive().status,
      431);
  EXPECT_EQ(gateway.connect()
                .send(post("Transfer-Encoding: chunked\r\n", "0\r\nT: " + std::string(50'000, 't')))
                .receive()
                .status,
            431);
}

TEST(Http, ClosesOnSlowSendersWithoutAnAnswer) {
  TestGateway gateway([](ApiOptions& options) { options.limits.request_time = milliseconds(100); });
  for (const std::string& start :
       {std::string(), std::string("GET /version HT"), std::string("GET /version HTTP/1.1\r\nHost: a\r\nX: "),
        post("Content-Length: 100\r\n", "{"), post("Transfer-Encoding: chunked\r\n", "5\r\nab")}) {
    EXPECT_TRUE(gateway.connect().send(start).is_closed()) << start;
  }
  EXPECT_EQ(gateway.counters().connections_timed_out, 5u);
}

TEST(Http, DoesNotLetASlowSenderBuyTimeByDribbling) {
  TestGateway gateway([](ApiOptions& options) { options.limits.request_time = milliseconds(200); });
  RawClient client = gateway.connect();
  client.send("GET /version HTTP/1.1\r\nHost: a\r\n");
  const auto start = std::chrono::steady_clock::now();
  char byte;
  const timeval pace{.tv_sec = 0, .tv_usec = 20'000};
  ::setsockopt(client.fd(), SOL_SOCKET, SO_RCVTIMEO, &pace, sizeof pace);
  // Each turn waits for the server's close, not for the time.
  while (::recv(client.fd(), &byte, 1, 0) < 0 && errno == EAGAIN) {
    ASSERT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(10));
    client.send("X: y\r\n");
  }
  EXPECT_EQ(gateway.counters().connections_timed_out, 1u);
}

TEST(Http, DoesNotLetASlowSenderBuyTimeByExpectingToContinue) {
  TestGateway gateway([](ApiOptions& options) { options.limits.request_time = milliseconds(2000); });
  RawClient client = gateway.connect();
  client.send("POST /client HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 60\r\n");
  const auto start = std::chrono::steady_clock::now();
  char byte;
  const timeval pace{.tv_sec = 1, .tv_usec = 500'000};
  ::setsockopt(client.fd(), SOL_SOCKET, SO_RCVTIMEO, &pace, sizeof pace);
  ASSERT_TRUE(::recv(client.fd(), &byte, 1, 0) < 0 && errno == EAGAIN);
  ::setsockopt(client.fd(), SOL_SOCKET, SO_RCVTIMEO, &kPatience, sizeof kPatience);
  EXPECT_EQ(client.send("\r\n").receive().status, 100);
  EXPECT_TRUE(client.is_closed());
  EXPECT_LT(std::chrono::steady_clock::now() - start, milliseconds(3400)) << "its 2 s began anew";
}

TEST(Http, KeepsAnIdleConnectionLongerThanASlowRequest) {
  TestGateway gateway([](ApiOptions& options) {
    options.limits.request_time = milliseconds(50);
    options.limits.idle_time = milliseconds(400);
  });
  RawClient client = gateway.connect();
  client.send(kGet).receive();
  const auto start = std::chrono::steady_clock::now();
  EXPECT_TRUE(client.is_closed());
  EXPECT_GE(std::chrono::steady_clock::now() - start, milliseconds(300));
}

void add_clients(TestGateway& gateway, std::uint32_t count) {
  gateway.on_strand([&] {
    for (std::uint32_t i = 0; i < count; ++i) {
      Client client{};
      client.address = IpAddress::v4(0x0a000002 + i);
      store_le32(client.public_key.bytes.data(), i + 1);
      gateway.clients.insert(client);
    }
  });
}

RawClient ask_for_a_long_answer(TestGateway& gateway) {
  RawClient client = gateway.connect();
  const int small = 4096;
  ::setsockopt(client.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  client.send("GET /clients HTTP/1.1\r\nHost: localhost\r\n\r\n");
  return client;
}

TEST(Http, ClosesOnACallerThatDoesNotRead) {
  TestGateway gateway([](ApiOptions& options) { options.limits.write_time = milliseconds(100); });
  add_clients(gateway, 60'000);
  const RawClient client = ask_for_a_long_answer(gateway);
  const auto start = std::chrono::steady_clock::now();
  while (gateway.counters().connections_timed_out == 0) {
    ASSERT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  }
}

TEST(Http, ClosesOnACallerThatHardlyReads) {
  TestGateway gateway([](ApiOptions& options) { options.limits.write_time = milliseconds(200); });
  add_clients(gateway, 60'000);
  const RawClient client = ask_for_a_long_answer(gateway);
  const auto start = std::chrono::steady_clock::now();
  char byte;
  while (gateway.counters().connections_timed_out == 0) {
    ASSERT_EQ(::recv(client.fd(), &byte, 1, 0), 1);
    ASSERT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(20));
  }
}

TEST(Http, RefusesAWebPagesRequestOnLoopback) {
  TestGateway gateway;
  for (const std::string_view headers :
       {"Host: evil.example\r\n", "Host: localhost\r\nOrigin: http://localhost:3000\r\n",
        "Host: localhost\r\nSec-Fetch-Site: cross-site\r\n", "Host: 192.168.1.1:3000\r\n"}) {
    const Answer answer = gateway.connect().send("GET /keys HTTP/1.1\r\n" + std::string(headers) + "\r\n").receive();
    EXPECT_EQ(answer.status, 403) << headers;
    EXPECT_EQ(gateway.connect().send("GET /health HTTP/1.1\r\n" + std::string(headers) + "\r\n").receive().status, 200);
  }
}

TEST(Http, TakesHttp10WithoutAHostForAProgramOnLoopback) {
  TestGateway gateway;
  EXPECT_EQ(gateway.connect().send("GET /keys HTTP/1.0\r\n\r\n").receive().status, 200);
  for (const std::string_view headers : {"Host:\r\n", "Origin: null\r\n", "Sec-Fetch-Site: cross-site\r\n"}) {
    EXPECT_EQ(gateway.connect().send("GET /keys HTTP/1.0\r\n" + std::string(headers) + "\r\n").receive().status, 403)
        << headers;
  }
}

}  // namespace
}  // namespace vpn::control
