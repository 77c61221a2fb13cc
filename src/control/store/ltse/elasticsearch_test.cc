// What is made of answers that a healthy Elasticsearch of one node never gives: from a server that says what it is
// told.
#include "control/store/ltse/elasticsearch.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <thread>

namespace vpn::control::ltse {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

/// Answers every request alike, one connection after another.
class ParrotServer {
 public:
  ParrotServer(http::status status, std::string body) : status_(status), body_(std::move(body)) {
    thread_ = std::thread([this] { run(); });
  }
  ~ParrotServer() {
    ::shutdown(listener_.native_handle(), SHUT_RDWR);
    thread_.join();
  }
  ServerUrl url() const {
    return *parse_server_url("http://127.0.0.1:" + std::to_string(listener_.local_endpoint().port()));
  }

 private:
  void run() {
    for (error_code error;;) {
      tcp::socket socket(io_);
      listener_.accept(socket, error);
      if (error) return;
      boost::beast::flat_buffer buffer;
      while (!error) {
        http::request<http::string_body> request;
        http::read(socket, buffer, request, error);
        http::response<http::string_body> response(status_, 11, body_);
        response.prepare_payload();
        if (!error) http::write(socket, response, error);
      }
    }
  }

  const http::status status_;
  const std::string body_;
  asio::io_context io_;
  tcp::acceptor listener_{io_, {asio::ip::address_v4::loopback(), 0}};
  std::thread thread_;
};

Deadline soon() {
  return std::chrono::steady_clock::now() + std::chrono::seconds(20);
}

TEST(Elasticsearch, CountsTheChangesThatEveryCopyHolds) {
  const ParrotServer server(
      http::status::ok, R"({"indices":{"clients":{"uuid":"u","shards":{"0":[)"
                        R"({"routing":{"primary":false},"seq_no":{"local_checkpoint":5,"global_checkpoint":5}},)"
                        R"({"routing":{"primary":true},"seq_no":{"local_checkpoint":7,"global_checkpoint":5}}]}}}})");
  SystemRandom random;
  Elasticsearch client(server.url(), random);
  const auto revision = client.revision("clients", soon());
  ASSERT_TRUE(revision) << revision.error().message;
  EXPECT_EQ(revision->checkpoints, std::vector<std::int64_t>{5}) << "after a fail-over 6 and 7 may be other changes";
}

TEST(Elasticsearch, MayAnswerLaterWhatItAnswersUnexpectedlyNow) {
  for (const http::status status : {http::status::ok, http::status::bad_request, http::status::not_found}) {
    const ParrotServer server(status, R"({"error":{"type":"search_context_missing_exception"}})");
    SystemRandom random;
    Elasticsearch client(server.url(), random);
    const DocumentId id{"clients", "1"};
    const Write write{.kind = Write::Kind::kDelete, .document = id};
    EXPECT_EQ(client.get({&id, 1}, soon()).error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(client.write({&write, 1}, soon()).error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(client.scan("clients", [](const Document&) {}).error().code, ErrorCode::kUnavailable);
    EXPECT_EQ(client.changed("clients", 0, 1, 1, soon()).error().code, ErrorCode::kUnavailable);
  }
}

}  // namespace
}  // namespace vpn::control::ltse
