#include "engine/io/checksum.h"

#include <algorithm>
#include <array>
#include <cstring>

namespace vpn::engine::io {
namespace {

// Bytes of one turn of the loop; what is left is added word by word.
constexpr std::size_t kBlock = 64;

// 64-bit words, which GCC and clang map onto the machine's vector registers.
using Words16 [[gnu::vector_size(16)]] = std::uint64_t;
using Words32 [[gnu::vector_size(32)]] = std::uint64_t;

// A sum of such words by their 32-bit halves: no carry is lost below 2^32 words, far more than a packet holds.
template <typename Words>
struct Lanes {
  Words all{};  // modulo 2^64, which the sum of the lower halves stays below
  Words high{};

  [[gnu::always_inline]] void add(const Words& words) {
    all += words;
    high += words >> 32;
  }
  [[gnu::always_inline]] std::uint64_t total() const {
    const Words sums = all - (high << 32) + high;
    std::array<std::uint64_t, sizeof(Words) / 8> each;
    std::memcpy(each.data(), &sums, sizeof sums);
    std::uint64_t total = 0;
    for (const std::uint64_t sum : each) total += sum;
    return total;
  }
};

// The sum of whole blocks, which are copied to `to` unless that is null.
template <typename Words>
[[gnu::always_inline]] inline std::uint64_t add_blocks(ByteView blocks, std::uint8_t* to) {
  Lanes<Words> even, odd;  // two chains of additions, so that neither waits for itself
  for (std::size_t i = 0; i < blocks.size(); i += 2 * sizeof(Words)) {
    Words first, second;
    std::memcpy(&first, blocks.data() + i, sizeof first);
    std::memcpy(&second, blocks.data() + i + sizeof first, sizeof second);
    even.add(first);
    odd.add(second);
    if (to == nullptr) continue;
    std::memcpy(to + i, &first, sizeof first);
    std::memcpy(to + i + sizeof first, &second, sizeof second);
  }
  return even.total() + odd.total();
}

#ifdef __x86_64__
[[gnu::target("avx2")]] std::uint64_t add_blocks_avx2(ByteView blocks, std::uint8_t* to) {
  return to == nullptr ? add_blocks<Words32>(blocks, nullptr) : add_blocks<Words32>(blocks, to);
}
bool has_avx2() {
  return __builtin_cpu_supports("avx2") != 0;
}
#else
std::uint64_t add_blocks_avx2(ByteView, std::uint8_t*) {
  return 0;
}
constexpr bool has_avx2() {
  return false;
}
#endif

std::uint64_t add_words(std::uint64_t sum, ByteView bytes) {
  for (; bytes.size() >= 8; bytes = bytes.subspan(8)) {
    const auto word = internal::load<std::uint64_t>(bytes.data());
    sum += (word & 0xffffffff) + (word >> 32);
  }
  const std::uint8_t* left = bytes.data();
  if ((bytes.size() & 4) != 0) {
    sum += internal::load<std::uint32_t>(left);
    left += 4;
  }
  if ((bytes.size() & 2) != 0) {
    sum += internal::load<std::uint16_t>(left);
    left += 2;
  }
  return (bytes.size() & 1) != 0 ? sum + internal::little(std::uint16_t{*left}) : sum;
}

std::uint64_t add(std::uint64_t sum, ByteView bytes, std::uint8_t* to) {
  const ByteView blocks = bytes.first(bytes.size() / kBlock * kBlock);
  if (!blocks.empty()) {
    sum += has_avx2()      ? add_blocks_avx2(blocks, to)
           : to == nullptr ? add_blocks<Words16>(blocks, nullptr)
                           : add_blocks<Words16>(blocks, to);
  }
  const ByteView rest = bytes.subspan(blocks.size());
  if (to != nullptr) std::copy(rest.begin(), rest.end(), to + blocks.size());
  return add_words(sum, rest);
}

}  // namespace

std::uint64_t add_checksum(std::uint64_t sum, ByteView bytes) {
  return add(sum, bytes, nullptr);
}

std::uint64_t copy_and_add_checksum(std::uint64_t sum, ByteView from, std::uint8_t* to) {
  return add(sum, from, to);
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
