// A thread with a name, whose signals are somebody else's.
#pragma once

#include <functional>
#include <string>
#include <thread>

namespace vpn {

/// `name` has at most 15 characters (pthread_setname_np(3)). Every signal stays blocked in the thread, so that the
/// program's own signalfd or event loop gets it.
std::thread start_thread(const std::string& name, std::function<void()> body);

}  // namespace vpn
