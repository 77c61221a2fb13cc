// `vpn-enabler store copy|export|import`: clients from one store to another, at once or by a file.
#pragma once

#include <functional>
#include <memory>

#include "base/error.h"
#include "base/log.h"
#include "cli/command_line.h"
#include "cli/store_location.h"
#include "control/store/store.h"

namespace vpn::cli {

/// The composition root's: opens the store, and makes it where there is none and it may be written.
using OpenStore = std::function<Result<std::unique_ptr<control::Store>>(const StoreLocation& location,
                                                                        control::Access access, Logger& logger)>;

/// The exit code: 1 when something was not brought, 2 when nothing could be changed.
int run_store(const Arguments& arguments, const OpenStore& open);

}  // namespace vpn::cli
