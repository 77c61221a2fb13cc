#include "engine/io/checksum.h"

#include <algorithm>
#include <array>

namespace vpn::engine::io {
namespace {

constexpr std::size_t kBlock = 32;

// 32-bit words into 64-bit lanes: no carry is lost below 2^32 words, far more than a packet, and the lanes let the
// compiler use vector additions.
struct Lanes {
  std::array<std::uint64_t, kBlock / 4> sums{};

  void add(const std::uint8_t* block) {
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += internal::load<std::uint32_t>(block + 4 * i);
  }
  std::uint64_t total() const {
    std::uint64_t total = 0;
    for (const std::uint64_t sum : sums) total += sum;
    return total;
  }
};

std::uint64_t add_tail(std::uint64_t sum, ByteView tail) {
  while (tail.size() >= 2) {
    sum += internal::load<std::uint16_t>(tail.data());
    tail = tail.subspan(2);
  }
  if (!tail.empty()) {
    const std::array<std::uint8_t, 2> padded{tail[0], 0};
    sum += internal::load<std::uint16_t>(padded.data());
  }
  return sum;
}

}  // namespace

std::uint64_t add_checksum(std::uint64_t sum, ByteView bytes) {
  Lanes lanes;
  for (; bytes.size() >= kBlock; bytes = bytes.subspan(kBlock)) lanes.add(bytes.data());
  return add_tail(sum + lanes.total(), bytes);
}

std::uint64_t copy_and_add_checksum(std::uint64_t sum, ByteView from, std::uint8_t* to) {
  Lanes lanes;
  for (; from.size() >= kBlock; from = from.subspan(kBlock), to += kBlock) {
    lanes.add(from.data());
    std::memcpy(to, from.data(), kBlock);
  }
  std::copy(from.begin(), from.end(), to);
  return add_tail(sum + lanes.total(), from);
}

std::uint16_t fold_checksum(std::uint64_t sum) {
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffffffff) + (sum >> 32);
  sum = (sum & 0xffff) + (sum >> 16);
  sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<std::uint16_t>(sum);
}

std::uint16_t finish_checksum(std::uint64_t sum) {
  const auto checksum = static_cast<std::uint16_t>(~fold_checksum(sum));
  return checksum == 0 ? std::uint16_t{0xffff} : checksum;
}

std::uint64_t pseudo_header_sum(ByteView packet, std::uint8_t protocol) {
  const bool v4 = packet[0] >> 4 == 4;
  return add_checksum(network_word(protocol), v4 ? packet.subspan(12, 8) : packet.subspan(8, 32));
}

void set_ipv4_header_checksum(MutableBytes header) {
  store_checksum(&header[10], 0);
  store_checksum(&header[10], static_cast<std::uint16_t>(~fold_checksum(add_checksum(0, header))));
}

}  // namespace vpn::engine::io
