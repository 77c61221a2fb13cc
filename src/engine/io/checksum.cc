#include "engine/io/checksum.h"

#include <algorithm>
#include <array>

namespace vpn::engine::io {
namespace {

constexpr std::size_t kBlock = 32;

// 32-bit halves of 64-bit words, summed apart: no carry is lost below 2^32 words, far more than a packet holds. GCC and
// clang map it onto the machine's vector registers.
using Words = std::uint64_t __attribute__((vector_size(16)));

struct Lanes {
  Words low{};
  Words high{};

  void add(Words words) {
    low += words & 0xffffffff;
    high += words >> 32;
  }
  std::uint64_t total() const { return low[0] + low[1] + high[0] + high[1]; }
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
  Lanes even, odd;  // two chains of additions, so that neither waits for itself
  for (; bytes.size() >= kBlock; bytes = bytes.subspan(kBlock)) {
    even.add(internal::load<Words>(bytes.data()));
    odd.add(internal::load<Words>(bytes.data() + sizeof(Words)));
  }
  return add_tail(sum + even.total() + odd.total(), bytes);
}

std::uint64_t copy_and_add_checksum(std::uint64_t sum, ByteView from, std::uint8_t* to) {
  Lanes even, odd;
  for (; from.size() >= kBlock; from = from.subspan(kBlock), to += kBlock) {
    const auto first = internal::load<Words>(from.data());
    const auto second = internal::load<Words>(from.data() + sizeof(Words));
    internal::store(to, first);
    internal::store(to + sizeof(Words), second);
    even.add(first);
    odd.add(second);
  }
  std::copy(from.begin(), from.end(), to);
  return add_tail(sum + even.total() + odd.total(), from);
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
