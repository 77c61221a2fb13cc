// Which counters of a session were seen (RFC 6479, the window of WireGuard paper section 5.4.6; kernel receive.c:
// counter_validate).
//
// Asked after decryption alone, so only an authentic packet moves it. Belongs to its keypair; not thread-safe.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>

namespace vpn::engine::protocol {

class ReplayWindow {
 public:
  static constexpr std::size_t kBits = 8192;
  static constexpr std::size_t kBitsPerWord = 64;
  /// A counter this far behind the greatest is still told apart. One word is always being reused.
  static constexpr std::size_t kSize = kBits - kBitsPerWord;

  /// True, once, for each counter below kRejectAfterMessages that is at most kSize behind the greatest so far.
  bool accept(std::uint64_t counter);

 private:
  static constexpr std::size_t kWords = kBits / kBitsPerWord;
  using Words = std::array<std::uint64_t, kWords>;

  std::uint64_t greatest_ = 0;  ///< of the counters accepted
  std::uint64_t first_ = 0;  ///< the window while it fits into one word: most sessions carry a few keepalives and end
  std::unique_ptr<Words> words_;
};

}  // namespace vpn::engine::protocol
