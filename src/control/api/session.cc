#include "control/api/session.h"

#include <boost/beast/http/error.hpp>
#include <charconv>

#include "base/secret.h"

namespace vpn::control {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;

constexpr std::size_t kReadBytes = 4096;
// Above, a body is sent from where it lies instead of being copied behind its header.
constexpr std::size_t kOneWriteBytes = std::size_t{16} << 10;
// What a caller may still send behind an answer that ends the connection, before we stop listening.
constexpr std::size_t kLingerBytes = std::size_t{1} << 20;

Response refuse_unreadable(const boost::system::error_code& error) {
  if (error == http::error::header_limit) {
    return error_response(HttpStatus::request_header_fields_too_large, "the request's header is too large");
  }
  if (error == http::error::body_limit) {
    return error_response(HttpStatus::payload_too_large, "the request's body is too large");
  }
  return error_response(HttpStatus::bad_request, "this is no HTTP/1.1 request: " + error.message());
}

// RFC 9112 section 7.1. An empty chunk would end the answer.
void append_chunk(SecretText& out, std::string_view piece, bool last) {
  if (!piece.empty()) {
    std::array<char, 16> size{};
    out.append(size.data(), std::to_chars(size.data(), size.data() + size.size(), piece.size(), 16).ptr);
    out.append("\r\n").append(piece).append("\r\n");
  }
  if (last) out += "0\r\n\r\n";
}

}  // namespace

Session::Session(StreamSocket socket, ConnectionKind kind, std::shared_ptr<ServerState> server)
    : socket_(std::move(socket)), kind_(kind), server_(std::move(server)) {
  server_->sessions.insert(this);
  ++server_->open_of(kind_);
}

Session::~Session() {
  request_.clear();
  server_->sessions.erase(this);
  --server_->open_of(kind_);
  if (server_->on_session_end) server_->on_session_end();
}

Awaitable<void> Session::serve(std::shared_ptr<Session> session) {
  Session& self = *session;
  while (true) {
    const Received received = co_await self.receive();
    if (received == Received::kNothing) co_return;
    Response response;
    if (received == Received::kRefused) {
      response = std::move(*self.refusal_);
    } else if (Response* refusal = std::get_if<Response>(&*self.decision_)) {
      response = std::move(*refusal);
    } else {
      response = co_await std::get<Handler>(*self.decision_)(self.request_, self.server_->context);
    }
    // Asked now: the server may have begun to stop meanwhile.
    self.keep_alive_ = received == Received::kRequest && self.asks_for_keep_alive();
    const bool sent = co_await self.send(response);
    if (!sent) co_return;
    if (!self.keep_alive_) break;
  }
  co_await self.linger();
}

Awaitable<void> Session::refuse(std::shared_ptr<Session> session) {
  Session& self = *session;
  self.keep_alive_ = false;
  Response response = error_response(HttpStatus::service_unavailable, "too many connections; try again later");
  const bool sent = co_await self.send(response);
  if (sent) co_await self.linger();
}

void Session::finish() {
  boost::system::error_code ignored;
  // Bytes that have arrived can still be read; then comes the end.
  if (idle_) socket_.shutdown(StreamSocket::shutdown_receive, ignored);
}

void Session::close() {
  boost::system::error_code ignored;
  socket_.close(ignored);
}

std::optional<std::chrono::steady_clock::time_point> Session::stranger_since() const {
  if (authorized_ || !socket_.is_open()) return std::nullopt;
  return heard_at_;
}

bool Session::asks_for_keep_alive() const {
  return parser_->keep_alive() && !server_->stopping;
}

Awaitable<Session::Received> Session::receive() {
  const bool first = header_bytes_ == 0;
  request_.clear();
  refusal_.reset();
  decision_.reset();
  header_bytes_ = 0;
  parser_.emplace(request_, server_->limits.header_bytes, server_->limits.body_bytes);

  if (buffer_.size() == 0) {
    // A connection that has not spoken yet is held as short as a slow request.
    expire_in(first ? server_->limits.request_time : server_->limits.idle_time);
    idle_ = true;
    const bool more = co_await read_more();
    idle_ = false;
    if (!more) co_return Received::kNothing;
  }
  expire_in(server_->limits.request_time);
  bool whole = co_await receive_header();
  if (whole) whole = co_await receive_body();
  deadline_ = std::chrono::steady_clock::time_point::max();
  heard_at_ = std::chrono::steady_clock::now();
  if (refusal_) co_return Received::kRefused;
  co_return whole ? Received::kRequest : Received::kNothing;
}

// Parses what the buffer holds. False when the request cannot go on; then refusal_ says why.
bool Session::parse() {
  boost::system::error_code error;
  const bool in_header = !parser_->is_header_done();
  if (buffer_.size() > 0) {
    const auto received = buffer_.data();
    const std::size_t used = parser_->put(received, error);
    wipe(received.data(), used);  // a token or a preshared key, which the buffer of an idle connection would keep
    buffer_.consume(used);
    if (in_header) header_bytes_ += used;
    if (error == http::error::need_more) error = {};
  }
  // What stays in the buffer is the beginning of a header, chunk header or trailer whose end has not come.
  const bool unfinished = in_header ? !parser_->is_header_done() : !parser_->is_done();
  const std::size_t size = (in_header ? header_bytes_ : 0) + (unfinished ? buffer_.size() : 0);
  if (!error && size > server_->limits.header_bytes) error = http::error::header_limit;
  if (!error) return true;
  refusal_ = refuse_unreadable(error);
  return false;
}

Awaitable<bool> Session::receive_header() {
  while (parse()) {
    if (parser_->is_header_done()) co_return true;
    const bool more = co_await read_more();
    if (!more) co_return false;
  }
  co_return false;
}

Awaitable<bool> Session::receive_body() {
  decision_ = resolve(request_, server_->policies[static_cast<std::size_t>(kind_)]);
  authorized_ = authorized_ || request_.authorized;
  if (request_.expects_continue && !request_.http_1_0 && !parser_->is_done() && buffer_.size() == 0) {
    if (Response* refusal = std::get_if<Response>(&*decision_)) {
      refusal_ = std::move(*refusal);
      co_return false;
    }
    // Under the request's deadline: a wait for this is no time gained.
    if (!co_await write("HTTP/1.1 100 Continue\r\n\r\n")) co_return false;
  }
  parser_->eager(true);
  while (!parser_->is_done()) {
    if (!parse()) co_return false;
    if (parser_->is_done()) break;
    const bool more = co_await read_more();
    if (!more) co_return false;
  }
  co_return true;
}

Awaitable<bool> Session::read_more() {
  auto [error, size] = co_await socket_.async_read_some(buffer_.prepare(kReadBytes), kAwait);
  buffer_.commit(size);
  co_return !error && size > 0;
}

Awaitable<bool> Session::send(Response& response) {
  expect_progress();
  const bool sent = co_await send_whole(response);
  deadline_ = std::chrono::steady_clock::time_point::max();
  co_return sent;
}

Awaitable<bool> Session::send_whole(Response& response) {
  const bool head = request_.method == Verb::head;
  const bool pieces = static_cast<bool>(response.next_piece);
  // HTTP/1.0 knows no chunks: the end of the connection is the end of the answer.
  keep_alive_ = keep_alive_ && !(pieces && request_.http_1_0);
  out_.clear();
  append_head(out_, response,
              {.http_1_0 = request_.http_1_0,
               .keep_alive = keep_alive_,
               .date = server_->date.at(server_->context.backend.clock.wall_now())});
  auto& counters = server_->context.counters;
  const auto status = static_cast<unsigned>(response.status);
  ++(status < 400 ? counters.answers_ok : status < 500 ? counters.answers_caller_fault : counters.answers_server_fault);

  const bool one_write = !head && !pieces && response.body.size() <= kOneWriteBytes;
  if (one_write) out_ += response.body;
  const bool sent = co_await write(out_);
  if (one_write) wipe(out_.data(), out_.size());
  if (!sent || head || one_write) co_return sent;
  if (pieces) co_return co_await write_pieces(response, !request_.http_1_0);
  co_return co_await write(response.body);
}

Awaitable<bool> Session::write_pieces(Response& response, bool chunked) {
  for (bool last = false;; last = !response.next_piece(response.body)) {
    out_.clear();
    if (chunked) append_chunk(out_, response.body, last);
    const bool sent = co_await write(chunked ? out_ : response.body);
    wipe(out_.data(), out_.size());
    if (!sent || last) co_return sent;
    response.body.clear();
  }
}

Awaitable<bool> Session::write(std::string_view bytes) {
  while (!bytes.empty()) {
    auto [error, size] = co_await socket_.async_write_some(asio::buffer(bytes), kAwait);
    if (error) co_return false;
    bytes.remove_prefix(size);
    taken_bytes_ += size;
    if (taken_bytes_ >= server_->limits.write_bytes) expect_progress();
  }
  co_return true;
}

void Session::expect_progress() {
  taken_bytes_ = 0;
  expire_in(server_->limits.write_time);
}

// Closing a socket with unread bytes resets the connection, and the caller may lose our last answer: so say that
// nothing more comes, and read until the caller closes, up to a limit.
Awaitable<void> Session::linger() {
  boost::system::error_code error;
  socket_.shutdown(StreamSocket::shutdown_send, error);
  expire_in(server_->stopping ? server_->limits.stop_time / 4 : server_->limits.linger_time);
  idle_ = true;
  buffer_.clear();
  for (std::size_t seen = 0; !error && seen < kLingerBytes;) {
    auto [read_error, size] = co_await socket_.async_read_some(buffer_.prepare(kReadBytes), kAwait);
    error = read_error;
    seen += size;
  }
}

}  // namespace vpn::control
