#include "engine/io/udp.h"

#include "base/check.h"

namespace vpn::engine::io {

UdpReadBatch::UdpReadBatch() : arena_(new std::uint8_t[kMaxReceives * kMaxReceiveBytes]) {
  received_.reserve(kMaxReceives);
}

MutableBytes UdpReadBatch::room(std::size_t index) {
  CHECK(index < kMaxReceives);
  return {arena_.get() + index * kMaxReceiveBytes, kMaxReceiveBytes};
}

}  // namespace vpn::engine::io
