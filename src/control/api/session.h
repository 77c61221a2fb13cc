// One connection: reads a request, answers it, and again, until either side has had enough.
//
// A coroutine owns it (serve() or refuse() holds the shared pointer); the server knows it from construction to
// destruction. What the connection waits for is bounded by one deadline, which the server's sweep checks: no timer per
// connection or request.
#pragma once

#include <boost/beast/core/flat_buffer.hpp>
#include <chrono>
#include <memory>
#include <optional>
#include <string>

#include "control/api/asio.h"
#include "control/api/request_parser.h"
#include "control/api/response.h"
#include "control/api/router.h"
#include "control/api/server_state.h"
#include "control/service/secret_text.h"

namespace vpn::control {

class Session {
 public:
  Session(StreamSocket socket, ConnectionKind kind, std::shared_ptr<ServerState> server);
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;
  ~Session();

  /// Answers requests until the connection ends.
  static Awaitable<void> serve(std::shared_ptr<Session> session);
  /// Says that there are too many connections, and ends.
  static Awaitable<void> refuse(std::shared_ptr<Session> session);

  ConnectionKind kind() const { return kind_; }
  bool is_overdue(std::chrono::steady_clock::time_point now) const { return now >= deadline_; }
  /// When a caller who has shown no authorization yet sent its last request, or connected. Nothing when it has, or when
  /// the connection is closed already.
  std::optional<std::chrono::steady_clock::time_point> stranger_since() const;
  /// The request under way, if any, is the last. What has arrived already is still read and answered.
  void finish();
  /// Ends whatever the connection waits for.
  void close();

 private:
  enum class Received {
    kRequest,  ///< request_ is whole
    kRefused,  ///< refusal_ is the answer and the last one: the rest of the stream is not to be trusted or not wanted
    kNothing,  ///< the caller has left, or was too slow
  };

  Awaitable<Received> receive();
  Awaitable<bool> receive_header();
  Awaitable<bool> receive_body();
  Awaitable<bool> read_more();
  bool parse();
  Awaitable<bool> send(Response& response);
  Awaitable<bool> send_whole(Response& response);
  Awaitable<bool> write(std::string_view bytes);
  Awaitable<bool> write_pieces(Response& response, bool chunked);
  void expect_progress();
  Awaitable<void> linger();
  bool asks_for_keep_alive() const;

  void expire_in(std::chrono::milliseconds time) { deadline_ = std::chrono::steady_clock::now() + time; }

  StreamSocket socket_;
  const ConnectionKind kind_;
  const std::shared_ptr<ServerState> server_;
  std::chrono::steady_clock::time_point deadline_ = std::chrono::steady_clock::time_point::max();
  std::chrono::steady_clock::time_point heard_at_ =
      std::chrono::steady_clock::now();  // a whole request, or the connect
  bool authorized_ = false;              // one of its requests was

  boost::beast::basic_flat_buffer<WipingAllocator<char>>
      buffer_;  // received and not parsed yet: the header under way, or requests to come
  Request request_;
  std::optional<RequestParser> parser_;
  std::size_t header_bytes_ = 0;  // of the request under way, parsed
  std::optional<std::variant<Handler, Response>> decision_;
  std::optional<Response> refusal_;
  SecretText out_;
  std::size_t taken_bytes_ = 0;  // of the answer, since it was last asked for progress
  bool idle_ = false;            // between two requests, or behind the last
  bool keep_alive_ = true;
};

}  // namespace vpn::control
