#include "doctor/port_check.h"

#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <thread>

#include "base/unique_fd.h"

namespace vpn::doctor {
namespace {

// For how long a gateway may be busy with other packets.
constexpr std::chrono::milliseconds kReadPatience{500};
constexpr std::chrono::milliseconds kReadInterval{5};

bool is_any(const IpAddress& address) {
  return std::ranges::all_of(address.bytes(), [](std::uint8_t byte) { return byte == 0; });
}

/// A datagram that is no message of WireGuard's, and is dropped: all that counts is that somebody takes it.
bool is_read(std::uint16_t port) {
  sockaddr_storage gateway{};
  const socklen_t size = Endpoint{*IpAddress::parse("127.0.0.1"), port}.to_sockaddr(gateway);
  const UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const std::uint8_t datagram = 0;
  // An error is a rule's that keeps us from sending; then nothing was learned.
  if (!socket || ::sendto(socket.get(), &datagram, sizeof datagram, MSG_DONTWAIT,
                          reinterpret_cast<const sockaddr*>(&gateway), size) < 0) {
    return true;
  }
  // Nobody tells when another process reads.
  for (auto waited = std::chrono::milliseconds(0); waited < kReadPatience; waited += kReadInterval) {
    const auto sockets = sockets_at(Protocol::kUdp, port);
    if (std::ranges::all_of(sockets, [](const ListeningSocket& each) { return each.unread_bytes == 0; })) return true;
    std::this_thread::sleep_for(kReadInterval);
  }
  return false;
}

std::string holder_of(const PortFacts& facts) {
  if (!facts.holder) return "another program";
  return facts.holder->name + ", process " + std::to_string(facts.holder->id);
}

bool is_held_by_other(const PortFacts& facts) {
  if (!facts.held) return false;
  if (!facts.holder) return !facts.kernel_is_ours && !facts.serves;
  return !facts.serves || (facts.gateway_process != 0 && facts.holder->id != facts.gateway_process);
}

Cure another_port(const std::string& name, std::uint16_t port) {
  return setting(name + "=" + std::to_string(port == 65535 ? port - 1 : port + 1));
}

}  // namespace

PortFacts look_at_udp_port(std::uint16_t port, bool serves, int gateway_process, bool kernel_is_ours) {
  PortFacts facts{.port = port,
                  .serves = serves,
                  .holder = {},
                  .gateway_process = gateway_process,
                  .kernel_is_ours = kernel_is_ours};
  const auto sockets = sockets_at(Protocol::kUdp, port);
  facts.held = !sockets.empty();
  if (facts.held) facts.holder = owner_of(sockets.front().inode);
  if (facts.held && serves) facts.reads = is_read(port);
  return facts;
}

PortFacts look_at_api_port(const IpAddress& address, std::uint16_t port, bool serves, int gateway_process) {
  PortFacts facts{.port = port, .serves = serves, .holder = {}, .gateway_process = gateway_process};
  const auto sockets = sockets_at(Protocol::kTcp, port);
  const auto meets = [&](const ListeningSocket& socket) {
    return socket.address == address || is_any(socket.address) || is_any(address);
  };
  const auto found = std::ranges::find_if(sockets, meets);
  facts.held = found != sockets.end();
  if (facts.held) facts.holder = owner_of(found->inode);
  return facts;
}

Finding judge_udp_port(const PortFacts& facts) {
  const std::string name = "udp_port";
  const std::string port = "UDP port " + std::to_string(facts.port);
  if (is_held_by_other(facts)) {
    return {name, State::kBroken, port + " is taken by " + holder_of(facts), another_port("WG_PORT", facts.port)};
  }
  if (!facts.serves) return {name, State::kOk, port + (facts.held ? " is held by our interface" : " is free")};
  if (!facts.held) {
    return {name, State::kBroken, "the gateway serves, but nobody listens on " + port,
            command("systemctl restart vpn-enabler")};
  }
  if (!facts.reads) {
    return {name, State::kBroken, "the gateway does not read what arrives on " + port,
            command("systemctl restart vpn-enabler")};
  }
  return {name, State::kOk, port + " is the gateway's, and what arrives there is read"};
}

Finding judge_api_port(const PortFacts& facts) {
  const std::string name = "api_port";
  const std::string port = "TCP port " + std::to_string(facts.port);
  if (is_held_by_other(facts)) {
    return {name, State::kBroken, port + " is taken by " + holder_of(facts), another_port("API_PORT", facts.port)};
  }
  if (!facts.serves) return {name, State::kOk, port + " is free"};
  if (facts.held) return {name, State::kOk, port + " is the gateway's"};
  return {name, State::kBroken, "the gateway serves, but not on " + port + " of API_ADDRESS",
          command("systemctl restart vpn-enabler")};
}

}  // namespace vpn::doctor
