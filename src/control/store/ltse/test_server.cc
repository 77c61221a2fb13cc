#include "control/store/ltse/test_server.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <csignal>
#include <cstring>
#include <memory>

#include "base/check.h"
#include "base/unique_fd.h"

namespace vpn::control::ltse {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;
using Request = http::request<http::string_body>;
using Response = http::response<http::string_body>;

constexpr int kStartPatience_ms = 300'000;
constexpr std::string_view kRoot = "/nosql/api";

void run_java(const std::string& directory, int port_pipe) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(port_pipe, 3);
  const UniqueFd log(::open((directory + "/log").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  dup2(log.get(), STDOUT_FILENO);
  dup2(log.get(), STDERR_FILENO);
  execlp("java", "java", "--add-opens", "java.base/java.io=ALL-UNNAMED", "-Xmx512m", "-cp",
         ELASTICSEARCH_DIRECTORY ":" ELASTICSEARCH_DIRECTORY "/lib/*", "Server", directory.c_str(), "/dev/fd/3",
         nullptr);
  _exit(127);
}

bool ask(std::uint16_t port, Request& request, Response& response) {
  asio::io_context io;
  tcp::socket socket(io);
  error_code error;
  socket.connect({asio::ip::address_v4::loopback(), port}, error);
  if (!error) http::write(socket, request, error);
  if (error) return false;
  beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(std::uint64_t{1} << 30);
  http::read(socket, buffer, parser, error);
  if (error) return false;
  response = parser.release();
  return true;
}

Response own_answer(http::status status, const char* type, const char* body) {
  Response response(status, 11);
  response.set(http::field::content_type, type);
  response.body() = body;
  response.prepare_payload();
  return response;
}

}  // namespace

void TestElasticsearch::start() {
  int pipe_fds[2];
  CHECK(pipe2(pipe_fds, O_CLOEXEC) == 0);
  const UniqueFd read_end(pipe_fds[0]);
  UniqueFd write_end(pipe_fds[1]);
  std::filesystem::create_directories(directory_.path() / "config");
  pid_ = fork();
  CHECK(pid_ >= 0);
  if (pid_ == 0) run_java(directory_.path().string(), write_end.get());
  write_end.reset();
  std::string text;
  pollfd waiting{read_end.get(), POLLIN, 0};
  while (text.find('\n') == std::string::npos) {
    char bytes[16];
    CHECK(poll(&waiting, 1, kStartPatience_ms) == 1);
    const ssize_t count = ::read(read_end.get(), bytes, sizeof bytes);
    CHECK(count > 0);  // otherwise it ended: `tests/servers/elasticsearch.sh` makes it, and `log` says more
    text.append(bytes, static_cast<std::size_t>(count));
  }
  port_ = static_cast<std::uint16_t>(std::stoi(text));
}

void TestElasticsearch::kill() {
  if (pid_ < 0) return;
  ::kill(pid_, SIGKILL);
  ::kill(pid_, SIGCONT);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void TestElasticsearch::freeze() {
  ::kill(pid_, SIGSTOP);
}

void TestElasticsearch::thaw() {
  ::kill(pid_, SIGCONT);
}

TestGateway::TestGateway(const TestElasticsearch& server) : server_(server) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  CHECK(bind(listener_, reinterpret_cast<sockaddr*>(&address), size) == 0);
  CHECK(listen(listener_, 64) == 0);
  CHECK(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept(); });
}

TestGateway::~TestGateway() {
  shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  {
    const std::lock_guard lock(mutex_);
    for (const int fd : open_) shutdown(fd, SHUT_RDWR);
  }
  for (std::thread& thread : threads_) thread.join();
  close(listener_);
}

void TestGateway::accept() {
  for (;;) {
    const int fd = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) return;
    {
      const std::lock_guard lock(mutex_);
      open_.push_back(fd);
    }
    threads_.emplace_back([this, fd] { serve(fd); });
  }
}

Fault TestGateway::choose(const std::string& target) {
  const std::lock_guard lock(mutex_);
  return choice_ ? choice_(target) : Fault::kNone;
}

void TestGateway::fail_next(Fault fault, const std::string& text, int count) {
  set_fault([fault, text, left = std::make_shared<int>(count)](const std::string& target) {
    if (*left == 0 || target.find(text) == std::string::npos) return Fault::kNone;
    --*left;
    return fault;
  });
}

/// One connection, request by request.
void TestGateway::serve(int fd) {
  asio::io_context io;
  tcp::socket socket(io, tcp::v4(), fd);
  beast::flat_buffer buffer;
  error_code error;
  socket.set_option(tcp::no_delay(true), error);
  for (;;) {
    http::request_parser<http::string_body> parser;
    parser.body_limit(std::uint64_t{1} << 30);
    http::read(socket, buffer, parser, error);
    if (error) break;
    Request request = parser.release();
    const std::string target(request.target());
    const Fault fault = target.starts_with(kRoot) ? choose(target) : Fault::kNoSuchPath;
    if (fault == Fault::kCutBefore) break;
    Response response = own_answer(http::status::not_found, "text/plain", "404 page not found");
    if (fault == Fault::kTooMany) {
      response = own_answer(http::status::too_many_requests, "application/json", "{}");
    } else if (fault == Fault::kUnavailable) {
      response = own_answer(http::status::service_unavailable, "text/plain", "no upstream");
    } else if (fault == Fault::kForbidden) {
      response = own_answer(http::status::forbidden, "application/json", "{}");
    } else if (fault == Fault::kNotJson) {
      response = own_answer(http::status::ok, "text/html", "<html>Welcome</html>");
    } else if (fault == Fault::kBroken) {
      response = own_answer(http::status::internal_server_error, "text/plain", "Internal Server Error");
    } else if (fault == Fault::kUnknownScroll) {
      response = own_answer(http::status::not_found, "application/json",
                            R"({"error":{"type":"search_phase_execution_exception"},"status":404})");
    } else if (fault != Fault::kNoSuchPath) {
      request.target(target.substr(kRoot.size()));
      if (fault == Fault::kTwice) (void)ask(server_.port(), request, response);
      if (!ask(server_.port(), request, response) || fault == Fault::kLoseAnswer) break;
      if (fault == Fault::kAnswer503Late) {
        response = own_answer(http::status::service_unavailable, "text/plain", "upstream was slow");
      }
    }
    http::write(socket, response, error);
    if (error) break;
  }
  const std::lock_guard lock(mutex_);
  open_.erase(std::find(open_.begin(), open_.end(), fd));
  socket.close(error);
}

std::string TestGateway::direct(const std::string& method, const std::string& target, const std::string& body) const {
  Request request;
  request.method_string(method);
  request.target(target);
  request.set(http::field::host, "localhost");
  request.set(http::field::content_type, "application/json");
  request.body() = body;
  request.prepare_payload();
  Response response;
  CHECK(ask(server_.port(), request, response));
  return response.body();
}

}  // namespace vpn::control::ltse
