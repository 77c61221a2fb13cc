// The other side of the UAPI socket: configures a running engine, ours or another, and asks it what it is.
//
// One thread, its owner's; blocks while the engine answers.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/unique_fd.h"
#include "engine/protocol/config.h"

namespace vpn::engine {

class UapiClient {
 public:
  /// An engine that does not answer within this is not asked further.
  static constexpr std::chrono::seconds kPatience{10};

  /// kNotFound when nobody serves an interface of that name.
  static Result<UapiClient> connect(const std::string& directory, const std::string& interface_name);

  /// Only what UAPI can say: no endpoint_is_learned, no has_replicas.
  Status set(const protocol::InterfaceUpdate& update);
  /// As the update that would make another interface the same.
  Result<protocol::InterfaceUpdate> get();
  /// Waits until the engine has closed the connection, as it does at its end. False when it has not in time.
  [[nodiscard]] bool wait_for_end(std::chrono::milliseconds patience);

 private:
  explicit UapiClient(UniqueFd socket) : socket_(std::move(socket)) {}
  Status send(std::string_view text);
  /// One line of the answer, without its newline; what the engine writes beyond a line's length is an error.
  Result<std::string> read_line();

  UniqueFd socket_;
  std::string received_;  ///< read and not yet taken; wiped as it is
};

}  // namespace vpn::engine
