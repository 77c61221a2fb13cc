#include "host/subnet.h"

#include <net/if.h>

#include <algorithm>
#include <array>

namespace vpn::host {
namespace {

// Seldom used elsewhere; the first that is free is offered.
constexpr std::array kExamples = {"192.168.2.1/24",   "10.99.0.1/24",         "172.29.99.1/24",
                                  "192.168.199.1/24", "fd76:706e:656e::1/64", "fd76:706e:656f::1/64"};

bool overlap(const IpPrefix& a, const IpPrefix& b) {
  return a.address.family() == b.address.family() &&
         (a.length >= b.length ? b.contains(a.address) : a.contains(b.address));
}

bool is_others_network(const InterfaceAddress& entry, const std::string& own_interface) {
  return entry.interface_name != own_interface && (entry.interface_flags & IFF_UP) != 0 &&
         !is_loopback(entry.prefix.address) && !is_link_local(entry.prefix.address);
}

std::string free_example(const IpPrefix& subnet, const std::vector<InterfaceAddress>& others) {
  for (const char* text : kExamples) {
    const IpPrefix example = *IpPrefix::parse(text);
    const bool free =
        std::ranges::none_of(others, [&](const InterfaceAddress& other) { return overlap(example, other.prefix); });
    if (free && example.address.family() == subnet.address.family()) return ", for example " + std::string(text);
  }
  return "";
}

}  // namespace

Result<std::vector<InterfaceAddress>> check_subnet(const IpPrefix& subnet, const std::string& setting,
                                                   const std::string& own_interface,
                                                   const std::vector<InterfaceAddress>& present) {
  std::vector<InterfaceAddress> others, within;
  std::ranges::copy_if(present, std::back_inserter(others),
                       [&](const InterfaceAddress& entry) { return is_others_network(entry, own_interface); });
  for (const InterfaceAddress& other : others) {
    if (!overlap(subnet, other.prefix)) continue;
    if (subnet.length >= other.prefix.length) {
      return fail(ErrorCode::kInvalidArgument,
                  setting + " " + to_string(subnet) + " lies in the network of " + other.interface_name + ", " +
                      to_string(other.prefix) +
                      ", which the gateway could not reach any more: choose one that is free" +
                      free_example(subnet, others),
                  setting);
    }
    within.push_back(other);
  }
  return within;
}

}  // namespace vpn::host
