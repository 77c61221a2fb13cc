#include "engine/protocol/replay_window.h"

#include <algorithm>

#include "engine/protocol/constants.h"

namespace vpn::engine::protocol {

bool ReplayWindow::accept(std::uint64_t counter) {
  if (counter >= kRejectAfterMessages) return false;
  if (counter + kSize < greatest_) return false;

  const std::uint64_t word = counter / kBitsPerWord;
  const std::uint64_t bit = 1ull << (counter % kBitsPerWord);
  if (word > 0 && words_ == nullptr) {
    words_ = std::make_unique<Words>();
    words_->front() = first_;
  }
  if (counter > greatest_) {
    // The words between the old greatest and the new hold counters of a window ago.
    const std::uint64_t last = greatest_ / kBitsPerWord;
    const std::uint64_t stale = std::min<std::uint64_t>(word - last, kWords);
    for (std::uint64_t i = 1; i <= stale; ++i) (*words_)[(last + i) % kWords] = 0;
    greatest_ = counter;
  }
  std::uint64_t& seen = words_ == nullptr ? first_ : (*words_)[word % kWords];
  if (seen & bit) return false;
  seen |= bit;
  return true;
}

}  // namespace vpn::engine::protocol
