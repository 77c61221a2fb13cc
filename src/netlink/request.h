// A netlink request under construction: header, the family's fixed part, attributes.
//
// One thread, its owner's.
#pragma once

#include <libmnl/libmnl.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "base/bytes.h"

namespace vpn::netlink {

class Request {
 public:
  /// Enough for whatever has a handful of attributes.
  static constexpr std::size_t kSmallBytes = 1024;

  /// NLM_F_REQUEST and NLM_F_ACK are added to the flags.
  Request(std::uint16_t type, int flags, std::size_t capacity_bytes = kSmallBytes);
  /// Wipes it, for it may hold keys.
  ~Request();
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;

  /// Adds the fixed part, zeroed, before any attribute. The reference lives as long as the request.
  template <typename T>
  T& put_fixed_part() {
    return *static_cast<T*>(mnl_nlmsg_put_extra_header(header(), sizeof(T)));
  }
  /// The caller keeps to the capacity: what would exceed it is a bug.
  void put(std::uint16_t attribute, const void* data, std::size_t size);
  void put(std::uint16_t attribute, ByteView bytes) { put(attribute, bytes.data(), bytes.size()); }
  void put_u8(std::uint16_t attribute, std::uint8_t value) { put(attribute, &value, sizeof value); }
  void put_u16(std::uint16_t attribute, std::uint16_t value) { put(attribute, &value, sizeof value); }
  void put_u32(std::uint16_t attribute, std::uint32_t value) { put(attribute, &value, sizeof value); }
  /// With its terminating zero.
  void put_text(std::uint16_t attribute, const std::string& text) { put(attribute, text.c_str(), text.size() + 1); }
  /// What is put until end_nest(), given its result, lies within this attribute, of at most 64 KiB.
  nlattr* begin_nest(std::uint16_t attribute);
  void end_nest(nlattr* nest) { mnl_attr_nest_end(header(), nest); }

  nlmsghdr* header() { return reinterpret_cast<nlmsghdr*>(buffer_.data()); }
  std::size_t size_bytes() { return header()->nlmsg_len; }
  std::size_t room_bytes() { return buffer_.size() - size_bytes(); }

 private:
  std::vector<std::uint8_t> buffer_;  ///< operator new aligns it well enough for a header
};

}  // namespace vpn::netlink
