// `up` and `down`: a tunnel from a wg-quick file, all or nothing, and its end.
//
// `up` notes what it is about to make (record.h), then makes it: the interface and its configuration, addresses, MTU,
// DNS, routes; for a default route also the table of nftables, and last the rules that send packets there. What fails
// has what was made before it undone. `down` undoes what the record says, and nothing else.
//
// One thread, which has started no other: the engine is a fork of it.
#pragma once

#include <functional>
#include <string>

#include "base/error.h"
#include "base/log.h"
#include "cli/engine_command.h"
#include "cli/settings.h"
#include "quick/config_file.h"
#include "quick/endpoint_names.h"

namespace vpn::quick {

struct UpOptions {
  bool ignore_hooks = false;  ///< go on without PreUp, PostUp, PreDown and PostDown
  bool ignore_dns = false;    ///< and without DNS
  cli::TunnelChoice tunnel = cli::TunnelChoice::kAuto;
  cli::EngineOptions engine = {};  ///< of our engine; the interface's name is the file's
};

/// Takes a sentence for the person at the terminal: what differs from what they may expect.
using Note = std::function<void(const std::string& sentence)>;

/// One line that says what came of it.
Result<std::string> up(const ConfigFile& config, const UpOptions& options, const NameService& names, const Note& note,
                       Logger& logger);

/// kNotFound when `up` made no such interface. With SaveConfig in its file, what the interface is then goes there.
Status down(const std::string& interface_name, const Note& note);

}  // namespace vpn::quick
