// `vpn-enabler import CONF`: the wg-quick file of a server becomes a gateway: its key and its peers go into the store.
#pragma once

#include <functional>
#include <memory>

#include "base/error.h"
#include "base/log.h"
#include "cli/command_line.h"
#include "cli/settings.h"
#include "control/store/store.h"

namespace vpn::quick {

/// The composition root's: opens the store, and makes it where there is none.
using OpenStore = std::function<Result<std::unique_ptr<control::Store>>(const cli::Settings& settings, Logger& logger)>;

/// The exit code: 1 when something was not brought, 2 when nothing was changed.
int run_import(const cli::Arguments& arguments, const OpenStore& open);

}  // namespace vpn::quick
