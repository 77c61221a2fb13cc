// The WireGuard interface of `up` and `down`: in the kernel, or in an engine process that lives on by itself.
//
// One thread, its caller's, which has started no other: the engine is a fork of it.
#pragma once

#include <string>

#include "base/error.h"
#include "base/log.h"
#include "cli/engine_command.h"
#include "engine/protocol/config.h"
#include "quick/record.h"
#include "tunnel/tunnel.h"

namespace vpn::quick {

/// Makes the interface that the record names, in the kernel or by an engine as it says; down, without a key. Its index.
/// kUnsupported when it is to be in the kernel and that has no WireGuard.
Result<unsigned> make_interface(const Record& record, cli::EngineOptions engine, Logger& logger);

/// Key, port, mark and peers, at once; the interface is still down.
Status configure_interface(const Record& record, const engine::protocol::InterfaceUpdate& update);

Result<tunnel::TunnelStatus> read_interface(const Record& record);

/// Whether what the record names is there; one of the same name that somebody else made is not.
bool is_there(const Record& record);

/// Takes it away, and waits for its engine's end. One that is gone already is no error.
Status remove_interface(const Record& record);

}  // namespace vpn::quick
