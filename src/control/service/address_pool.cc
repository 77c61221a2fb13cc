#include "control/service/address_pool.h"

#include <algorithm>
#include <iterator>

#include "base/check.h"

namespace vpn::control {
namespace {

constexpr std::uint8_t kShortestPrefix = 8;
constexpr std::uint8_t kLongestPrefix = 30;  // a /31 has no address left for a client

Failure bad_subnet(const IpPrefix& gateway, const std::string& fault) {
  return fail(
      ErrorCode::kInvalidArgument,
      to_string(gateway) + ": " + fault + ". A right example: 192.168.2.1/24, the gateway's own address in the VPN",
      "WG_SUBNET");
}

}  // namespace

Result<AddressPool> AddressPool::create(const IpPrefix& gateway) {
  if (!gateway.address.is_v4()) return bad_subnet(gateway, "the VPN's subnet is an IPv4 one");
  if (gateway.length < kShortestPrefix || gateway.length > kLongestPrefix) {
    return bad_subnet(gateway,
                      "the prefix is /" + std::to_string(kShortestPrefix) + " to /" + std::to_string(kLongestPrefix));
  }
  const std::uint32_t network = gateway.masked().address.v4_host_order();
  const std::uint32_t broadcast = network | (UINT32_MAX >> gateway.length);
  const std::uint32_t own = gateway.address.v4_host_order();
  if (own == network || own == broadcast) {
    return bad_subnet(gateway,
                      "that is the subnet's " + std::string(own == network ? "network" : "broadcast") + " address");
  }
  return AddressPool(network + 1, broadcast - 1, own);
}

AddressPool::AddressPool(std::uint32_t first, std::uint32_t last, std::uint32_t gateway)
    : first_(first), last_(last), gateway_(gateway) {
  if (first < gateway) free_.emplace(first, gateway - 1);
  if (gateway < last) free_.emplace(gateway + 1, last);
}

bool AddressPool::contains(const IpAddress& address) const {
  if (!address.is_v4()) return false;
  const std::uint32_t number = address.v4_host_order();
  return number >= first_ && number <= last_ && number != gateway_;
}

std::optional<IpAddress> AddressPool::allocate_from(std::size_t place) {
  if (free_.empty()) return std::nullopt;
  const std::uint32_t wanted = first_ + static_cast<std::uint32_t>(std::min<std::size_t>(place, last_ - first_));
  auto interval = free_.lower_bound(wanted);
  std::uint32_t found = interval != free_.end() ? interval->first : free_.begin()->first;
  if (interval != free_.begin() && std::prev(interval)->second >= wanted) found = wanted;
  const IpAddress address = IpAddress::v4(found);
  CHECK(take(address));
  return address;
}

bool AddressPool::take(const IpAddress& address) {
  if (!contains(address)) return false;
  const std::uint32_t number = address.v4_host_order();
  auto behind = free_.upper_bound(number);
  if (behind == free_.begin()) return false;
  const auto interval = std::prev(behind);
  const auto [first, last] = *interval;
  if (number > last) return false;

  if (number < last) behind = free_.emplace_hint(behind, number + 1, last);
  if (number > first) {
    interval->second = number - 1;
  } else {
    free_.erase(interval);
  }
  return true;
}

void AddressPool::release(const IpAddress& address) {
  CHECK(contains(address));
  std::uint32_t first = address.v4_host_order();
  std::uint32_t last = first;
  auto behind = free_.upper_bound(first);
  if (behind != free_.begin()) {
    const auto before = std::prev(behind);
    CHECK(before->second < first);
    if (before->second + 1 == first) {
      first = before->first;
      free_.erase(before);
    }
  }
  if (behind != free_.end() && behind->first == last + 1) {
    last = behind->second;
    behind = free_.erase(behind);
  }
  free_.emplace_hint(behind, first, last);
}

}  // namespace vpn::control
