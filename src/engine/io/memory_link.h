// A TUN device and UDP sockets in memory, for tests: the same seams as the kernel's, with nothing of the machine in
// between.
//
// Safe from any thread. A MemoryUdp belongs to a MemoryNetwork, which must outlive it.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "engine/io/tun.h"
#include "engine/io/udp.h"

namespace vpn::engine::io {

/// A queue with an eventfd that is readable while it holds something, as a socket is.
template <typename T>
class PollableQueue {
 public:
  PollableQueue();
  int fd() const { return event_.get(); }
  void push(T value);
  std::optional<T> pop();
  /// Waits for an element up to `timeout`.
  std::optional<T> pop_within(std::chrono::milliseconds timeout);

 private:
  UniqueFd event_;
  std::mutex mutex_;
  std::deque<T> queue_;
};

class MemoryTun final : public Tun {
 public:
  struct Packet {
    std::vector<std::uint8_t> bytes;
    Offload offload;
  };

  MemoryTun(std::string name, int mtu_bytes) : name_(std::move(name)), mtu_bytes_(mtu_bytes) {}
  /// Another queue of the device of `first`.
  explicit MemoryTun(const MemoryTun& first)
      : name_(first.name_), mtu_bytes_(first.mtu_bytes_), outbound_(first.outbound_) {}

  /// The machine sends a packet into the tunnel, by this queue.
  void inject(Packet packet) { inbound_.push(std::move(packet)); }
  /// What the engine wrote to any queue, whole; super-packets as they were written.
  std::optional<Packet> next_written(std::chrono::milliseconds timeout) { return outbound_->pop_within(timeout); }

  const std::string& name() const override { return name_; }
  int mtu_bytes() const override { return mtu_bytes_; }
  int fd() const override { return inbound_.fd(); }
  bool takes_tcp_super_packets() const override { return true; }
  bool takes_udp_super_packets() const override { return true; }
  bool read(TunReadBatch& batch) override;
  TunWriteReport write(std::span<const TunWrite> packets) override;

 private:
  std::string name_;
  int mtu_bytes_;
  PollableQueue<Packet> inbound_;
  std::shared_ptr<PollableQueue<Packet>> outbound_ = std::make_shared<PollableQueue<Packet>>();
};

/// Hosts with one address each; a datagram goes from socket to socket at once, the sender telling which of those that
/// share a port gets it.
class MemoryNetwork {
 public:
  /// Sockets of the host with this address.
  UdpOpener opener(IpAddress address);

 private:
  friend class MemoryUdp;
  struct Datagram {
    std::vector<std::uint8_t> bytes;
    protocol::Path path;
    std::uint8_t traffic_class = 0;
  };
  using Inbox = PollableQueue<Datagram>;

  void deliver(const Endpoint& from, const OutgoingDatagram& datagram);

  std::mutex mutex_;
  std::map<Endpoint, std::vector<std::shared_ptr<Inbox>>> inboxes_;
  std::uint16_t next_free_port_ = 40000;
};

class MemoryUdp final : public Udp {
 public:
  ~MemoryUdp() override;
  std::uint16_t port() const override { return local_.port; }
  int fd(IpFamily family) const override { return family == local_.address.family() ? inbox_->fd() : -1; }
  Status set_fwmark(std::uint32_t) override { return {}; }
  void receive(IpFamily family, UdpReadBatch& batch) override;
  UdpSendReport send(std::span<const OutgoingDatagram> datagrams) override;

 private:
  friend class MemoryNetwork;
  MemoryUdp(MemoryNetwork& network, Endpoint local, std::shared_ptr<MemoryNetwork::Inbox> inbox)
      : network_(network), local_(local), inbox_(std::move(inbox)) {}

  MemoryNetwork& network_;
  Endpoint local_;
  std::shared_ptr<MemoryNetwork::Inbox> inbox_;
};

}  // namespace vpn::engine::io
