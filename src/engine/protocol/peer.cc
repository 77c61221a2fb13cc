#include "engine/protocol/peer.h"

#include <utility>

namespace vpn::engine::protocol {

bool StagedQueue::push(ByteView packet, bool& dropped_oldest) {
  if (size() == kMaxStagedPackets) {
    total_ -= packets_->front().size();
    packets_->pop_front();
    dropped_oldest = true;
  }
  if (total_.fetch_add(packet.size()) + packet.size() > kMaxStagedBytes) {
    total_ -= packet.size();
    return false;
  }
  if (!packets_) packets_ = std::make_unique<std::deque<std::vector<std::uint8_t>>>();
  packets_->emplace_back(packet.begin(), packet.end());
  return true;
}

std::deque<std::vector<std::uint8_t>> StagedQueue::take() {
  if (!packets_) return {};
  const auto taken = std::exchange(packets_, nullptr);
  for (const auto& packet : *taken) total_ -= packet.size();
  return std::move(*taken);
}

}  // namespace vpn::engine::protocol
