#include "control/api/error_status.h"

namespace vpn::control {

HttpStatus http_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return HttpStatus::bad_request;
    case ErrorCode::kNotFound:
      return HttpStatus::not_found;
    case ErrorCode::kAlreadyExists:
      return HttpStatus::conflict;
    case ErrorCode::kConflict:
      return HttpStatus::conflict;
    case ErrorCode::kExhausted:
      return HttpStatus::insufficient_storage;
    case ErrorCode::kUnsupported:
      return HttpStatus::not_implemented;
    // The rest is not the caller's fault: the store or the tunnel fails, and the same request may succeed later.
    case ErrorCode::kPermissionDenied:
    case ErrorCode::kUnavailable:
    case ErrorCode::kCorrupt:
    case ErrorCode::kIo:
      return HttpStatus::service_unavailable;
  }
  return HttpStatus::internal_server_error;
}

}  // namespace vpn::control
