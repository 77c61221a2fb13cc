#include "netlink/request.h"

#include "base/check.h"
#include "base/secret.h"

namespace vpn::netlink {

Request::Request(std::uint16_t type, int flags, std::size_t capacity_bytes) : buffer_(capacity_bytes) {
  mnl_nlmsg_put_header(buffer_.data());
  header()->nlmsg_type = type;
  header()->nlmsg_flags = static_cast<std::uint16_t>(NLM_F_REQUEST | NLM_F_ACK | flags);
}

Request::~Request() {
  wipe(buffer_.data(), buffer_.size());
}

void Request::put(std::uint16_t attribute, const void* data, std::size_t size) {
  CHECK(mnl_attr_put_check(header(), buffer_.size(), attribute, size, data));
}

nlattr* Request::begin_nest(std::uint16_t attribute) {
  nlattr* nest = mnl_attr_nest_start_check(header(), buffer_.size(), attribute);
  CHECK(nest != nullptr);
  return nest;
}

}  // namespace vpn::netlink
