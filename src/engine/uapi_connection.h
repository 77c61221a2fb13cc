// One connection of the UAPI socket without the socket: bytes in, bytes out, requests handled in between.
//
// Any number of requests, one after the other. A request that is refused is read to its end, so that the client reads
// its answer and not a broken pipe. One thread: the server's.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "engine/protocol/config.h"
#include "engine/uapi.h"

namespace vpn::engine {

/// What the socket configures.
struct UapiHandler {
  std::function<Status(const protocol::InterfaceUpdate&)> configure;
  std::function<protocol::InterfaceSnapshot()> snapshot;
};

class UapiConnection {
 public:
  /// The longest line there is, an allowed_ip or a key, is below 100 bytes.
  static constexpr std::size_t kMaxLineBytes = 1024;
  /// `handler` outlives this.
  explicit UapiConnection(const UapiHandler& handler) : handler_(handler) {}
  ~UapiConnection();
  UapiConnection(const UapiConnection&) = delete;
  UapiConnection& operator=(const UapiConnection&) = delete;

  /// Where the next bytes from the client go; not to be read into while there is output.
  std::span<char> input_room() { return std::span(input_).subspan(input_size_); }
  void input_filled(std::size_t size);

  /// What the client is to get next; empty when there is nothing.
  std::string_view output() const { return std::string_view(output_).substr(output_sent_); }
  void output_sent(std::size_t size);

  /// No request can follow: the client broke the protocol. Close once output() is empty.
  bool broken() const { return state_ == State::kBroken; }

 private:
  enum class State { kIdle, kGet, kSet, kBroken };

  void handle_lines();
  void handle_line(std::string_view line);
  void begin_request(std::string_view line);
  void handle_set_line(std::string_view line);
  void apply();
  void finish_get();
  void finish_set();
  void refill_output();

  const UapiHandler& handler_;
  State state_ = State::kIdle;
  std::array<char, 64 * 1024> input_;
  std::size_t input_size_ = 0;
  std::optional<UapiSetRequest> set_;
  int set_error_ = 0;  ///< errno of the first line or update that failed; the rest of the request is skipped
  std::optional<UapiGetAnswer> get_;
  std::string output_;
  std::size_t output_sent_ = 0;
};

}  // namespace vpn::engine
