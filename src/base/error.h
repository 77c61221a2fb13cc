// Errors as values: what failed, in words for a person, with a code for the program.
//
// A function that can fail returns Result<T> (Status when there is nothing to return). It logs or returns the error,
// never both. A bad packet is not an Error: the engine counts it (engine/protocol/drop_reason.h).
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <utility>

namespace vpn {

/// What kind of failure it is. control/api/error_status is the only table from here to HTTP.
enum class ErrorCode {
  kInvalidArgument,   ///< the caller's value is wrong; `field` names it
  kNotFound,          ///< the thing named does not exist
  kAlreadyExists,     ///< the thing named exists already
  kExhausted,         ///< a limit is reached (addresses, clients, memory)
  kPermissionDenied,  ///< the operating system or a server refuses
  kConflict,          ///< someone else changed it meanwhile; reading again and retrying may help
  kUnavailable,       ///< cannot be had now (store away, interface down); a retry may help
  kUnsupported,       ///< this machine or file version cannot do it
  kCorrupt,           ///< stored data is not what we wrote
  kIo,                ///< a system call failed
};

struct Error {
  ErrorCode code = ErrorCode::kIo;
  /// One sentence for a person: what is wrong and, where there is one, a right example. Never holds a secret.
  std::string message;
  /// The setting, JSON field or argument at fault; empty when none is.
  std::string field = {};
};

/// "kNotFound" and so on, for logs and test output.
std::string_view to_string(ErrorCode code);

/// An Error for a failed system call: `what: strerror(error_number)`. EACCES and EPERM become kPermissionDenied.
Error system_error(std::string_view what, int error_number);

/// T or an Error. Must be looked at.
template <typename T>
class [[nodiscard]] Result : public tl::expected<T, Error> {
 public:
  using tl::expected<T, Error>::expected;
};

/// Success or an Error.
using Status = Result<void>;

using Failure = tl::unexpected<Error>;

inline Failure fail(ErrorCode code, std::string message, std::string field = {}) {
  return Failure(Error{code, std::move(message), std::move(field)});
}
inline Failure fail(Error error) {
  return Failure(std::move(error));
}

}  // namespace vpn
