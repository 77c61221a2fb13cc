// Linux's TUN device (Documentation/networking/tuntap.rst), with virtio-net headers.
//
// Safe from any thread, as tun.h says. Owned by the device.
#pragma once

#include <atomic>
#include <memory>

#include "base/error.h"
#include "base/unique_fd.h"
#include "engine/io/offloads.h"
#include "engine/io/tun.h"

namespace vpn::engine::io {

class LinuxTun final : public Tun {
 public:
  /// Creates a device, down and without address, that goes away with its last queue. kInvalidArgument for a bad name,
  /// kAlreadyExists when a device has it, kPermissionDenied without NET_ADMIN, kUnavailable without /dev/net/tun.
  /// Of the offloads, those that the kernel has are used.
  static Result<TunQueues> open(const std::string& name, int mtu_bytes, std::size_t queues, Offloads offloads);

  /// Takes over a device that is open already, with or without virtio-net headers, as its only queue; without, it has
  /// no offloads. kInvalidArgument when fd is no TUN device.
  static Result<TunQueues> adopt(UniqueFd fd, Offloads offloads);

  const std::string& name() const override { return name_; }
  int mtu_bytes() const override;
  int fd() const override { return fd_.get(); }
  bool takes_tcp_super_packets() const override { return tcp_.taken(); }
  bool takes_udp_super_packets() const override { return udp_.taken(); }
  bool read(TunReadBatch& batch) override;
  TunWriteReport write(std::span<const TunWrite> packets) override;

 private:
  /// The super-packets of one kind: whether the kernel takes them, as far as it is known.
  class Kind {
   public:
    void allow() { allowed_ = true; }
    bool taken() const { return allowed_ && rest_.load(std::memory_order_relaxed) == 0; }
    void refuse() { rest_.store(kRestWrites, std::memory_order_relaxed); }
    /// One write() is over.
    void count_down() {
      const unsigned rest = rest_.load(std::memory_order_relaxed);
      if (rest > 0) rest_.store(rest - 1, std::memory_order_relaxed);
    }

   private:
    /// After so many the kernel is asked again: one that takes none costs next to nothing, and a single packet that it
    /// did not like does not cost an offload.
    static constexpr unsigned kRestWrites = 1024;

    bool allowed_ = false;
    std::atomic<unsigned> rest_ = 0;
  };

  LinuxTun(UniqueFd fd, std::string name, bool has_header, Offloads offloads);

  void set_offloads(Offloads offloads);
  bool set_offload_flags(unsigned flags) const;
  int write_one(const TunWrite& packet) const;
  void write_segments(const TunWrite& packet, TunWriteReport& report) const;

  UniqueFd fd_;
  std::string name_;
  bool has_header_;
  Kind tcp_;
  Kind udp_;
};

}  // namespace vpn::engine::io
