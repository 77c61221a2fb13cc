#include "engine/io/tun.h"

#include "base/check.h"

namespace vpn::engine::io {
namespace {

// A packet begins on a cache line, so that vector loads of the AEAD do not straddle two.
constexpr std::size_t kAlignment = 64;

std::size_t align_up(std::size_t value) {
  return (value + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

TunReadBatch::TunReadBatch(std::size_t headroom, std::size_t tailroom)
    : headroom_(headroom), tailroom_(tailroom), arena_(kArenaBytes) {
  packets_.reserve(kMaxPackets);
}

void TunReadBatch::clear() {
  packets_.clear();
  used_ = 0;
}

MutableBytes TunReadBatch::room() {
  const std::size_t start = align_up(used_ + headroom_);
  if (packets_.size() == kMaxPackets || start + kMaxPacketBytes + tailroom_ > arena_.size()) return {};
  return MutableBytes(arena_).subspan(start, kMaxPacketBytes);
}

void TunReadBatch::add(std::size_t size, const Offload& offload) {
  const MutableBytes room = this->room();
  CHECK(size <= room.size());
  packets_.push_back({room.first(size), offload});
  used_ = static_cast<std::size_t>(room.data() - arena_.data()) + size + tailroom_;
}

}  // namespace vpn::engine::io
