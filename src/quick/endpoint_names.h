// Host names of endpoints, looked up as wg(8) does: what may pass by itself is tried again, for a minute or so.
//
// One thread, its caller's; blocks.
#pragma once

#include <chrono>
#include <functional>

#include "base/error.h"
#include "base/ip.h"
#include "quick/wg_quick_file.h"

struct addrinfo;

namespace vpn::quick {

/// getaddrinfo(3) and the wait between two tries; others in tests.
struct NameService {
  std::function<int(const char* host, const char* port, const addrinfo* hints, addrinfo** found)> look_up;
  std::function<void(std::chrono::milliseconds pause)> wait;

  static NameService system();
};

/// In all, and what lies between: the first wait, each later one a fifth longer, none above the longest.
constexpr int kMaxLookUps = 15;
constexpr std::chrono::milliseconds kFirstPause{1000};
constexpr std::chrono::milliseconds kLongestPause{20'000};

/// The first address that the name service gives; an address is taken as it is, and nobody asked. kNotFound when the
/// name is none's, kUnavailable when the name service had no answer in time.
Result<Endpoint> resolve(const HostAndPort& remote, const NameService& names);

}  // namespace vpn::quick
