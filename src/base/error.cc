#include "base/error.h"

#include <cerrno>
#include <system_error>

namespace vpn {

std::string_view to_string(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return "invalid argument";
    case ErrorCode::kNotFound:
      return "not found";
    case ErrorCode::kAlreadyExists:
      return "already exists";
    case ErrorCode::kExhausted:
      return "exhausted";
    case ErrorCode::kPermissionDenied:
      return "permission denied";
    case ErrorCode::kConflict:
      return "conflict";
    case ErrorCode::kUnavailable:
      return "unavailable";
    case ErrorCode::kUnsupported:
      return "unsupported";
    case ErrorCode::kCorrupt:
      return "corrupt";
    case ErrorCode::kIo:
      return "input/output";
  }
  return "unknown";
}

Error system_error(std::string_view what, int error_number) {
  const bool refused = error_number == EACCES || error_number == EPERM;
  return Error{refused ? ErrorCode::kPermissionDenied : ErrorCode::kIo,
               std::string(what) + ": " + std::generic_category().message(error_number)};
}

}  // namespace vpn
