// The only table from our errors to HTTP.
#pragma once

#include <ostream>  // Boost 1.81's status.hpp needs it and does not say so

#include <boost/beast/http/status.hpp>

#include "base/error.h"

namespace vpn::control {

using HttpStatus = boost::beast::http::status;

HttpStatus http_status(ErrorCode code);

}  // namespace vpn::control
