#include "doctor/server_ip_check.h"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>
#include <string_view>

#include "host/detect_address.h"

namespace vpn::doctor {
namespace {

struct Range {
  std::string_view prefix;
  std::string_view what;
};
/// RFC 1918, 6598, 3927, 1122, 4193, 4291.
constexpr auto kNotPublic = std::to_array<Range>({{"10.0.0.0/8", "private"},
                                                  {"172.16.0.0/12", "private"},
                                                  {"192.168.0.0/16", "private"},
                                                  {"100.64.0.0/10", "of a provider's own network (carrier-grade NAT)"},
                                                  {"169.254.0.0/16", "link-local"},
                                                  {"127.0.0.0/8", "loopback"},
                                                  {"fc00::/7", "private"},
                                                  {"fe80::/10", "link-local"},
                                                  {"::1", "loopback"}});

/// Empty for an address of the Internet.
std::string_view why_not_public(const IpAddress& address) {
  const auto range = std::ranges::find_if(
      kNotPublic, [&](const Range& each) { return IpPrefix::parse(each.prefix)->contains(address); });
  return range == kNotPublic.end() ? std::string_view() : range->what;
}

Result<std::vector<IpAddress>> resolve(const std::string& name) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* list = nullptr;
  const int fault = ::getaddrinfo(name.c_str(), nullptr, &hints, &list);
  if (fault != 0) {
    return fail(fault == EAI_AGAIN ? ErrorCode::kUnavailable : ErrorCode::kNotFound, ::gai_strerror(fault),
                "SERVER_IP");
  }
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(list, &::freeaddrinfo);
  std::vector<IpAddress> addresses;
  for (const addrinfo* entry = list; entry != nullptr; entry = entry->ai_next) {
    sockaddr_storage storage{};
    std::memcpy(&storage, entry->ai_addr, std::min<std::size_t>(entry->ai_addrlen, sizeof storage));
    addresses.push_back(Endpoint::from_sockaddr(storage).address);
  }
  return addresses;
}

}  // namespace

ServerIpFacts look_at_server_ip(const std::string& given) {
  if (const auto address = IpAddress::parse(given)) return {given, std::vector{*address}};
  if (!given.empty()) return {given, resolve(given)};
  const auto detected = host::detect_address();
  if (!detected) return {given, fail(detected.error())};
  return {given, std::vector{*detected}};
}

Finding judge_server_ip(const ServerIpFacts& facts) {
  const std::string name = "server_ip";
  const Cure cure = setting("SERVER_IP=vpn.example.org");
  if (!facts.addresses) {
    if (facts.given.empty()) return {name, State::kBroken, facts.addresses.error().message, cure};
    return {name, State::kBroken, "SERVER_IP " + facts.given + " does not resolve: " + facts.addresses.error().message,
            advice("give the name an address at your DNS provider, or set SERVER_IP to this site's public address")};
  }
  const std::string how = facts.given.empty() ? " (detected)" : "";
  for (const IpAddress& address : *facts.addresses) {
    const std::string_view why = why_not_public(address);
    if (why.empty()) continue;
    const std::string written = to_string(address) + how;
    const std::string told =
        facts.given.empty() || facts.given == to_string(address) ? written : facts.given + " is " + written;
    return {name, State::kWarning,
            "clients are told to call " + told + ", which is " + std::string(why) +
                ": whoever is not in that network does not reach it",
            advice("SERVER_IP=(this site's public address or name), and there, where a router translates, a forwarding "
                   "of the UDP port to this machine")};
  }
  const std::string called = facts.given.empty() ? to_string(facts.addresses->front()) : facts.given;
  return {name, State::kOk, "clients are told to call " + called + how};
}

}  // namespace vpn::doctor
