#include "engine/io/memory_link.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/check.h"

namespace vpn::engine::io {

template <typename T>
PollableQueue<T>::PollableQueue() : event_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  CHECK(event_);
}

template <typename T>
void PollableQueue<T>::push(T value) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(value));
  CHECK(::eventfd_write(event_.get(), 1) == 0);
}

template <typename T>
std::optional<T> PollableQueue<T>::pop() {
  const std::lock_guard lock(mutex_);
  if (queue_.empty()) return std::nullopt;
  T value = std::move(queue_.front());
  queue_.pop_front();
  eventfd_t count = 0;
  if (queue_.empty()) CHECK(::eventfd_read(event_.get(), &count) == 0);
  return value;
}

template <typename T>
std::optional<T> PollableQueue<T>::pop_within(std::chrono::milliseconds timeout) {
  pollfd readable{event_.get(), POLLIN, 0};
  ::poll(&readable, 1, static_cast<int>(timeout.count()));
  return pop();
}

template class PollableQueue<MemoryTun::Packet>;

bool MemoryTun::read(TunReadBatch& batch) {
  for (MutableBytes room = batch.room(); !room.empty(); room = batch.room()) {
    const auto packet = inbound_.pop();
    if (!packet) break;
    CHECK(packet->bytes.size() <= room.size());
    std::copy(packet->bytes.begin(), packet->bytes.end(), room.begin());
    batch.add(packet->bytes.size(), packet->offload);
  }
  return true;
}

TunWriteReport MemoryTun::write(std::span<const TunWrite> packets) {
  TunWriteReport report;
  for (const TunWrite& write : packets) {
    Packet packet{.bytes = {}, .offload = write.offload};
    for (const iovec& piece : write.pieces) {
      const auto* bytes = static_cast<const std::uint8_t*>(piece.iov_base);
      packet.bytes.insert(packet.bytes.end(), bytes, bytes + piece.iov_len);
    }
    CHECK(packet.bytes.size() == write.size);
    outbound_->push(std::move(packet));
    ++report.written;
    if (write.offload.segmentation != Segmentation::kNone) report.super_packets.add(write.offload.segmentation);
  }
  return report;
}

UdpOpener MemoryNetwork::opener(IpAddress address) {
  return [this, address](std::uint16_t port, std::uint32_t, std::size_t count) -> Result<UdpSockets> {
    const std::lock_guard lock(mutex_);
    const Endpoint local{address, port != 0 ? port : next_free_port_++};
    if (inboxes_.contains(local)) return fail(ErrorCode::kUnavailable, "the port is in use");
    auto& inboxes = inboxes_[local];
    UdpSockets sockets;
    while (sockets.size() < count) {
      inboxes.push_back(std::make_shared<Inbox>());
      sockets.emplace_back(new MemoryUdp(*this, local, inboxes.back()));
    }
    return sockets;
  };
}

void MemoryNetwork::deliver(const Endpoint& from, const OutgoingDatagram& datagram) {
  const std::lock_guard lock(mutex_);
  const auto inbox = inboxes_.find(datagram.path->remote);
  if (inbox == inboxes_.end()) return;
  const protocol::Path path{from, datagram.path->remote.address, 1};
  auto& sharing = inbox->second;
  sharing[from.address.bytes().back() % sharing.size()]->push(
      {{datagram.bytes.begin(), datagram.bytes.end()}, path, datagram.traffic_class});
}

MemoryUdp::~MemoryUdp() {
  const std::lock_guard lock(network_.mutex_);
  auto& sharing = network_.inboxes_[local_];
  std::erase(sharing, inbox_);
  if (sharing.empty()) network_.inboxes_.erase(local_);
}

void MemoryUdp::receive(IpFamily, UdpReadBatch& batch) {
  for (std::size_t i = 0; i < UdpReadBatch::kMaxReceives; ++i) {
    const auto datagram = inbox_->pop();
    if (!datagram) return;
    const MutableBytes bytes = batch.room(i).first(datagram->bytes.size());
    std::copy(datagram->bytes.begin(), datagram->bytes.end(), bytes.begin());
    batch.add({bytes, std::max<std::size_t>(bytes.size(), 1), datagram->path, datagram->traffic_class});
  }
}

UdpSendReport MemoryUdp::send(std::span<const OutgoingDatagram> datagrams) {
  for (const OutgoingDatagram& datagram : datagrams) network_.deliver(local_, datagram);
  return {.sent = datagrams.size()};
}

}  // namespace vpn::engine::io
