// Linux's TUN device (Documentation/networking/tuntap.rst), with virtio-net headers.
//
// Safe from any thread, as tun.h says. Owned by the device.
#pragma once

#include <atomic>
#include <memory>

#include "base/error.h"
#include "base/unique_fd.h"
#include "engine/io/tun.h"

namespace vpn::engine::io {

class LinuxTun final : public Tun {
 public:
  /// Creates a device, down and without address, that goes away with its last queue. kInvalidArgument for a bad name,
  /// kAlreadyExists when a device has it, kPermissionDenied without NET_ADMIN, kUnavailable without /dev/net/tun.
  static Result<TunQueues> open(const std::string& name, int mtu_bytes, std::size_t queues);

  /// Takes over a device that is open already, with or without virtio-net headers, as its only queue.
  /// kInvalidArgument when fd is no TUN device.
  static Result<TunQueues> adopt(UniqueFd fd);

  const std::string& name() const override { return name_; }
  int mtu_bytes() const override;
  int fd() const override { return fd_.get(); }
  bool takes_tcp_super_packets() const override { return tcp_.load(std::memory_order_relaxed); }
  bool takes_udp_super_packets() const override { return udp_.load(std::memory_order_relaxed); }
  bool read(TunReadBatch& batch) override;
  TunWriteReport write(std::span<const TunWrite> packets) override;

 private:
  LinuxTun(UniqueFd fd, std::string name, bool has_header);

  void probe_offloads();
  int write_one(const TunWrite& packet) const;
  bool write_segments(const TunWrite& packet) const;

  UniqueFd fd_;
  std::string name_;
  bool has_header_;
  std::atomic<bool> tcp_ = false;
  std::atomic<bool> udp_ = false;
};

}  // namespace vpn::engine::io
