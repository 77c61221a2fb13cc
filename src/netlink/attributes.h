// Reading the attributes of a netlink message. What the kernel sends is checked for its size, for an attribute may grow
// or shrink between kernels.
//
// Pure.
#pragma once

#include <libmnl/libmnl.h>

#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

#include "base/bytes.h"

namespace vpn::netlink {

namespace internal {
template <typename Visit>
int visit_attribute(const nlattr* attribute, void* visit) {
  (*static_cast<Visit*>(visit))(*attribute);
  return MNL_CB_OK;
}
}  // namespace internal

/// Calls `visit` with each attribute of a message, behind a fixed part of `fixed_part_bytes`.
template <typename Visit>
void for_each_attribute(const nlmsghdr& message, std::size_t fixed_part_bytes, Visit visit) {
  mnl_attr_parse(&message, static_cast<unsigned>(fixed_part_bytes), internal::visit_attribute<Visit>, &visit);
}

/// Calls `visit` with each attribute within `nest`.
template <typename Visit>
void for_each_attribute(const nlattr& nest, Visit visit) {
  mnl_attr_parse_nested(&nest, internal::visit_attribute<Visit>, &visit);
}

inline std::uint16_t type_of(const nlattr& attribute) {
  return mnl_attr_get_type(&attribute);
}

inline ByteView bytes_of(const nlattr& attribute) {
  return {static_cast<const std::uint8_t*>(mnl_attr_get_payload(&attribute)), mnl_attr_get_payload_len(&attribute)};
}

/// Without its terminating zero.
inline std::string_view text_of(const nlattr& attribute) {
  const auto* text = static_cast<const char*>(mnl_attr_get_payload(&attribute));
  return {text, strnlen(text, mnl_attr_get_payload_len(&attribute))};
}

/// Copies the attribute into `value`, in the machine's own byte order as netlink has it; one that is too short leaves
/// it as it is.
template <typename T>
void read_into(T& value, const nlattr& attribute) {
  static_assert(std::is_trivially_copyable_v<T>);
  if (bytes_of(attribute).size() >= sizeof value) std::memcpy(&value, bytes_of(attribute).data(), sizeof value);
}

}  // namespace vpn::netlink
