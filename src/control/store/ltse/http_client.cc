#include "control/store/ltse/http_client.h"

#include <algorithm>
#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/ssl/ssl_stream.hpp>
#include <exception>
#include <optional>
#include <utility>

#include "base/secret.h"
#include "control/store/ltse/name_lookup.h"

namespace vpn::control::ltse {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using boost::system::error_code;

using Executor = asio::io_context::executor_type;
template <typename T>
using Awaitable = asio::awaitable<T, Executor>;
constexpr asio::as_tuple_t<asio::use_awaitable_t<Executor>> kAwait{};

using TcpStream = beast::basic_stream<tcp, Executor>;
using TlsStream = beast::ssl_stream<TcpStream>;

http::verb verb_of(HttpMethod method) {
  switch (method) {
    case HttpMethod::kGet:
      return http::verb::get;
    case HttpMethod::kPut:
      return http::verb::put;
    case HttpMethod::kPost:
      return http::verb::post;
    case HttpMethod::kDelete:
      return http::verb::delete_;
  }
  return http::verb::get;
}

}  // namespace

struct HttpClient::Connection {
  explicit Connection(ServerUrl url)
      : server(std::move(url)), names(server.host, server.port), tls(asio::ssl::context::tls_client) {
    error_code ignored;  // without certificates every handshake fails, and says so
    tls.set_default_verify_paths(ignored);
    tls.set_verify_mode(asio::ssl::verify_peer, ignored);
  }

  Error failure(const error_code& error) const;
  Status find_addresses(Deadline deadline);
  Awaitable<Status> open(Deadline deadline);
  Awaitable<Result<HttpAnswer>> exchange(http::request<http::string_body>& request, Deadline deadline);
  template <typename Stream>
  Awaitable<Result<HttpAnswer>> exchange_on(Stream& on, http::request<http::string_body>& request);
  Result<HttpAnswer> run(http::request<http::string_body>& request, Deadline deadline);
  bool is_fresh() const;
  void close() { stream.reset(); }

  ServerUrl server;
  NameLookup names;
  Addresses addresses;  ///< to connect to
  asio::io_context io{1};
  asio::ssl::context tls;
  std::optional<TlsStream> stream;  ///< open when it has a value; for http its lower layer alone is used
  beast::flat_buffer buffer;
  std::chrono::steady_clock::time_point last_used;
};

Error HttpClient::Connection::failure(const error_code& error) const {
  const std::string where = server.display();
  // The certificate's fault is the handshake's only error of this category that is not a broken connection.
  if (error.category() == asio::error::get_ssl_category()) {
    return {ErrorCode::kInvalidArgument,
            "the LTSE at " + where + " does not prove by its certificate that it is " + server.host + " (" +
                error.message() +
                "). Set LTSE_URL to the name in its certificate, and let this system trust its issuer",
            "LTSE_URL"};
  }
  if (error.category() == http::make_error_code(http::error::bad_version).category() &&
      error != http::error::end_of_stream && error != http::error::partial_message) {
    return {ErrorCode::kInvalidArgument,
            "what answers at " + where + " is no LTSE (" + error.message() + "): is LTSE_URL right?", "LTSE_URL"};
  }
  return {ErrorCode::kUnavailable, "the LTSE at " + where + " does not answer (" + error.message() + ")"};
}

/// Beforehand, and not by the io_context: its own lookup would hold it for as long as the system's takes.
Status HttpClient::Connection::find_addresses(Deadline deadline) {
  auto found = names.lookup(std::min(deadline, std::chrono::steady_clock::now() + kConnectTime));
  if (!found) {
    return fail(ErrorCode::kUnavailable,
                "the LTSE at " + server.display() + " does not answer (" + found.error().message + ")");
  }
  addresses = std::move(*found);
  return {};
}

/// Connects, and shakes hands when it is https.
Awaitable<Status> HttpClient::Connection::open(Deadline deadline) {
  stream.emplace(TcpStream(io.get_executor()), tls);
  buffer.clear();
  TcpStream& socket = stream->next_layer();
  socket.expires_at(std::min(deadline, std::chrono::steady_clock::now() + kConnectTime));
  const auto [not_connected, endpoint] = co_await socket.async_connect(addresses, kAwait);
  if (not_connected) co_return fail(failure(not_connected));
  error_code ignored;
  socket.socket().set_option(tcp::no_delay(true), ignored);
  if (!server.tls) co_return Status();

  // A name also goes into the handshake (RFC 6066, section 3), where an address has no place.
  asio::ip::make_address(server.host, ignored);
  if (ignored) {  // as the macro SSL_set_tlsext_host_name does, without its old casts
    SSL_ctrl(stream->native_handle(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, server.host.data());
  }
  stream->set_verify_callback(asio::ssl::host_name_verification(server.host), ignored);
  const auto [not_shaken] = co_await stream->async_handshake(asio::ssl::stream_base::client, kAwait);
  if (not_shaken) co_return fail(failure(not_shaken));
  co_return Status();
}

template <typename Stream>
Awaitable<Result<HttpAnswer>> HttpClient::Connection::exchange_on(Stream& on,
                                                                  http::request<http::string_body>& request) {
  const auto [not_written, written] = co_await http::async_write(on, request, kAwait);
  if (not_written) co_return fail(failure(not_written));
  http::response_parser<http::string_body> parser;
  parser.body_limit(kMaxAnswerBytes);
  const auto [not_read, read] = co_await http::async_read(on, buffer, parser, kAwait);
  if (not_read) co_return fail(failure(not_read));
  HttpAnswer answer{parser.get().result_int(), std::move(parser.get().body())};
  last_used = std::chrono::steady_clock::now();
  if (!parser.get().keep_alive()) close();
  co_return answer;
}

Awaitable<Result<HttpAnswer>> HttpClient::Connection::exchange(http::request<http::string_body>& request,
                                                               Deadline deadline) {
  if (!stream) {
    if (Status opened = co_await open(deadline); !opened) co_return fail(std::move(opened).error());
  }
  stream->next_layer().expires_at(deadline);
  if (server.tls) co_return co_await exchange_on(*stream, request);
  co_return co_await exchange_on(stream->next_layer(), request);
}

/// Runs one exchange to its end, or to that of the io_context, which abort() stops.
Result<HttpAnswer> HttpClient::Connection::run(http::request<http::string_body>& request, Deadline deadline) {
  if (Status found = stream ? Status() : find_addresses(deadline); !found) return fail(std::move(found).error());
  Result<HttpAnswer> answer = fail(ErrorCode::kUnavailable, "stopped");
  bool done = false;
  asio::co_spawn(io.get_executor(), exchange(request, deadline),
                 [&](const std::exception_ptr& exception, Result<HttpAnswer> result) {
                   answer = exception ? fail(ErrorCode::kUnavailable, "out of memory") : std::move(result);
                   done = true;
                 });
  io.run();
  if (!answer) {
    if (stream) {
      error_code ignored;
      stream->next_layer().socket().close(ignored);
    }
    // What was interrupted still refers to this frame: let it end.
    while (!done) {
      io.restart();
      io.run();
    }
    close();
  }
  return answer;
}

/// Whether the open connection is used anew: not for long idle, and not closed by the other side.
bool HttpClient::Connection::is_fresh() const {
  if (!stream || std::chrono::steady_clock::now() - last_used > kMaxIdle) return false;
  auto& socket = const_cast<TlsStream&>(*stream).next_layer().socket();
  error_code error;
  socket.non_blocking(true, error);
  char byte = 0;
  (void)socket.receive(asio::buffer(&byte, 1), tcp::socket::message_peek, error);
  return error == asio::error::would_block;
}

HttpClient::HttpClient(ServerUrl server) : connection_(std::make_unique<Connection>(std::move(server))) {}
HttpClient::~HttpClient() = default;

const ServerUrl& HttpClient::server() const {
  return connection_->server;
}

Result<HttpAnswer> HttpClient::call(HttpRequest request, Deadline deadline) {
  Connection& connection = *connection_;
  http::request<http::string_body> message(verb_of(request.method), connection.server.path + request.target, 11);
  message.set(http::field::host, connection.server.host_header());
  message.set(http::field::accept, "application/json");
  if (!connection.server.authorization.empty()) {
    message.set(http::field::authorization, connection.server.authorization);
  }
  if (!request.content_type.empty()) message.set(http::field::content_type, request.content_type);
  message.body() = std::move(request.body);
  message.prepare_payload();

  if (!connection.is_fresh()) connection.close();
  const bool reused = connection.stream.has_value();
  Result<HttpAnswer> answer = fail(ErrorCode::kUnavailable, "stopped");
  for (int attempt = 0; attempt < 2; ++attempt) {
    connection.io.restart();
    if (aborted_) break;
    answer = connection.run(message, deadline);
    const bool again = !answer && answer.error().code == ErrorCode::kUnavailable && reused && request.repeatable &&
                       std::chrono::steady_clock::now() < deadline;
    if (!again) break;
  }
  wipe(message.body().data(), message.body().size());
  return answer;
}

bool HttpClient::pause(std::chrono::milliseconds duration) {
  asio::io_context& io = connection_->io;
  io.restart();
  if (aborted_) return false;
  asio::steady_timer timer(io, duration);
  timer.async_wait([](const error_code&) {});
  io.run();
  if (!aborted_) return true;
  timer.cancel();
  io.restart();
  io.run();
  return false;
}

void HttpClient::abort() {
  aborted_ = true;
  connection_->names.abort();
  connection_->io.stop();
}

}  // namespace vpn::control::ltse
