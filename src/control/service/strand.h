// What the service asks of the control strand it lives on. main.cc gives both, over its event loop.
#pragma once

#include <chrono>
#include <functional>

namespace vpn::control {

/// Runs a function on the control strand, soon, in the order of the calls. Safe from any thread.
using Post = std::function<void(std::function<void()>)>;

/// Runs a function on the control strand after a while. Called on the strand; what still waits when the strand ends
/// never runs.
using Delay = std::function<void(std::chrono::milliseconds, std::function<void()>)>;

}  // namespace vpn::control
