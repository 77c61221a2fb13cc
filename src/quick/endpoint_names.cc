#include "quick/endpoint_names.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string>
#include <thread>

namespace vpn::quick {
namespace {

/// Answers that the next try would only repeat.
bool is_final(int fault) {
  constexpr std::array kFinal = {EAI_NONAME, EAI_FAIL, EAI_NODATA, EAI_ADDRFAMILY, EAI_FAMILY, EAI_SERVICE};
  return std::ranges::find(kFinal, fault) != kFinal.end();
}

Endpoint take_first(addrinfo* found) {
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  sockaddr_storage address{};
  std::memcpy(&address, found->ai_addr, std::min<std::size_t>(found->ai_addrlen, sizeof address));
  return Endpoint::from_sockaddr(address);
}

}  // namespace

NameService NameService::system() {
  return {::getaddrinfo, [](std::chrono::milliseconds pause) { std::this_thread::sleep_for(pause); }};
}

Result<Endpoint> resolve(const HostAndPort& remote, const NameService& names) {
  if (const auto address = IpAddress::parse(remote.host)) return Endpoint{*address, remote.port};
  const std::string port = std::to_string(remote.port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  hints.ai_protocol = IPPROTO_UDP;
  std::chrono::milliseconds pause = kFirstPause;
  for (int left = kMaxLookUps - 1;; --left) {
    addrinfo* found = nullptr;
    const int fault = names.look_up(remote.host.c_str(), port.c_str(), &hints, &found);
    if (fault == 0) return take_first(found);
    if (is_final(fault) || left == 0) {
      return fail(is_final(fault) ? ErrorCode::kNotFound : ErrorCode::kUnavailable,
                  "cannot look up " + remote.host + ": " + ::gai_strerror(fault), "Endpoint");
    }
    names.wait(pause);
    pause = std::min(pause * 6 / 5, kLongestPause);
  }
}

}  // namespace vpn::quick
