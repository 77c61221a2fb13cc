#include "host/detect_address.h"

#include <net/if.h>
#include <sys/socket.h>

#include "base/unique_fd.h"
#include "host/interface_addresses.h"

namespace vpn::host {
namespace {

bool is_global(const IpAddress& address) {
  return address && !is_loopback(address) && !is_link_local(address);
}

// Connecting a UDP socket makes the kernel choose route and source, and sends nothing.
IpAddress source_towards(const Endpoint& remote) {
  sockaddr_storage address{};
  socklen_t size = remote.to_sockaddr(address);
  const UniqueFd socket(::socket(address.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (!socket || connect(socket.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) return {};
  size = sizeof address;
  if (getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) != 0) return {};
  return Endpoint::from_sockaddr(address).address;
}

// A tunnel's address is known inside the tunnel: never our own interface's, should it still stand from an earlier life.
bool faces_outside(const InterfaceAddress& entry) {
  return (entry.interface_flags & IFF_UP) != 0 && (entry.interface_flags & (IFF_LOOPBACK | IFF_POINTOPOINT)) == 0;
}

}  // namespace

Result<IpAddress> detect_address() {
  // Documentation addresses (RFC 5737, RFC 3849): no route is more specific to them than the one to the Internet.
  for (const char* remote : {"192.0.2.1:9", "[2001:db8::1]:9"}) {
    if (const IpAddress source = source_towards(*Endpoint::parse(remote)); is_global(source)) return source;
  }
  const auto present = interface_addresses();
  if (!present) return fail(present.error());
  for (const IpFamily family : {IpFamily::kV4, IpFamily::kV6}) {
    for (const InterfaceAddress& entry : *present) {
      const IpAddress& address = entry.prefix.address;
      if (address.family() == family && faces_outside(entry) && is_global(address)) return address;
    }
  }
  return fail(ErrorCode::kUnavailable,
              "this machine has no address to tell clients: set SERVER_IP to the one they reach it by, for example "
              "SERVER_IP=203.0.113.7",
              "SERVER_IP");
}

}  // namespace vpn::host
