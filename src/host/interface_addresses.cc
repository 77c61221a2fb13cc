#include "host/interface_addresses.h"

#include <ifaddrs.h>
#include <netinet/in.h>

#include <bit>
#include <cerrno>
#include <cstring>
#include <memory>

namespace vpn::host {
namespace {

IpAddress address_of(const sockaddr& socket_address) {
  sockaddr_storage storage{};
  std::memcpy(&storage, &socket_address,
              socket_address.sa_family == AF_INET ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
  return Endpoint::from_sockaddr(storage).address;
}

bool is_ip(const sockaddr* socket_address) {
  return socket_address != nullptr && (socket_address->sa_family == AF_INET || socket_address->sa_family == AF_INET6);
}

std::uint8_t length_of(const IpAddress& netmask) {
  int length = 0;
  for (const std::uint8_t byte : netmask.bytes()) length += std::popcount(byte);
  return static_cast<std::uint8_t>(length);
}

}  // namespace

Result<std::vector<InterfaceAddress>> interface_addresses() {
  ifaddrs* list = nullptr;
  if (getifaddrs(&list) != 0) return fail(system_error("cannot list the interfaces' addresses", errno));
  const std::unique_ptr<ifaddrs, decltype(&freeifaddrs)> owner(list, &freeifaddrs);
  std::vector<InterfaceAddress> addresses;
  for (const ifaddrs* entry = list; entry != nullptr; entry = entry->ifa_next) {
    if (!is_ip(entry->ifa_addr) || !is_ip(entry->ifa_netmask)) continue;
    addresses.push_back({entry->ifa_name, entry->ifa_flags,
                         IpPrefix{address_of(*entry->ifa_addr), length_of(address_of(*entry->ifa_netmask))}});
  }
  return addresses;
}

bool is_loopback(const IpAddress& address) {
  return address.is_v4() ? address.bytes()[0] == 127 : address == *IpAddress::parse("::1");
}

bool is_link_local(const IpAddress& address) {
  const ByteView bytes = address.bytes();
  return address.is_v4() ? bytes[0] == 169 && bytes[1] == 254 : bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

}  // namespace vpn::host
